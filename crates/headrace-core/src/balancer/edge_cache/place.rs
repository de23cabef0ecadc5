//! Where in the store a request's response lies, and how one gets there.

use std::time::Duration;

use bytes::Bytes;

use super::{
    EdgeCache,
    filing::Sheet,
    kept::{self, Kept},
};
use crate::{
    cache::{Hit, Lifetime, New, Store, Stored},
    edge::{key, status::Forwarded, vary::ByCoding},
    http::head::Request,
};

/// How long it is remembered that nothing can be stored for a URI (Varnish has two minutes).
const PASS: Lifetime = Lifetime {
    fresh: Duration::from_secs(10),
    stale: Duration::ZERO,
};
/// How long it is remembered what responses to a URI vary by. Longer than most are kept; without it they are asked for
/// anew, so what makes a response stale leaves it there.
const VARIANTS: Lifetime = Lifetime {
    fresh: Duration::from_secs(7 * 24 * 3600),
    stale: Duration::from_secs(7 * 24 * 3600),
};

/// The place for one request's response, and what is there.
pub(super) struct Place {
    pub(super) primary: Vec<u8>,
    /// The key of the response, where it is a variant.
    variant: Option<Vec<u8>>,
    /// What responses vary by, a line each, where that is known.
    names: Option<Bytes>,
    pub(super) hit: Option<Hit>,
    /// Nothing can be stored for this URI.
    pub(super) pass: bool,
}

/// By which right a response may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    None,
    Lease(u64),
    /// Nothing else may have taken the place of this version.
    Unchanged(u64),
}

impl Permit {
    fn lease(self) -> Option<u64> {
        match self {
            Self::Lease(lease) => Some(lease),
            _ => None,
        }
    }

    fn over(self) -> Option<u64> {
        match self {
            Self::Unchanged(version) => Some(version),
            _ => None,
        }
    }
}

/// A lease that is given up when it is not needed any more.
pub(super) struct Flight<'a> {
    pub(super) store: &'a Store,
    pub(super) key: &'a [u8],
    pub(super) permit: Permit,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if let Permit::Lease(lease) = self.permit {
            self.store.give_up(self.key, lease);
        }
    }
}

impl Place {
    pub(super) fn find(store: &Store, primary: Vec<u8>, request: &Request) -> Self {
        let found = store.get(&primary);
        let (names, pass) = match found.as_ref().map(|hit| kept::read(&hit.meta)) {
            Some(Kept::Variants(names)) => (Some(names), false),
            Some(Kept::Pass) => (None, true),
            _ => (None, false),
        };
        let Some(names) = names else {
            return Self {
                primary,
                variant: None,
                names: None,
                hit: found.filter(|_| !pass),
                pass,
            };
        };
        let names = Bytes::copy_from_slice(names);
        let key = key::variant(&primary, request, kept::names(&names));
        let hit = store
            .get(&key)
            .filter(|hit| matches!(kept::read(&hit.meta), Kept::Response(_)));
        Self {
            primary,
            variant: Some(key),
            names: Some(names),
            hit,
            pass: false,
        }
    }

    /// The place of a request that has nothing to do with what is stored there.
    pub(super) fn around(primary: Vec<u8>) -> Self {
        Self {
            primary,
            variant: None,
            names: None,
            hit: None,
            pass: true,
        }
    }

    /// The key of the response: `primary`, or that of a variant.
    pub(super) fn key(&self) -> &[u8] {
        self.variant.as_deref().unwrap_or(&self.primary)
    }

    /// The same place as it is after its response was stored anew just now.
    pub(super) fn renewed(&self, sheet: &Sheet) -> Self {
        let hit = self.hit.clone().map(|hit| Hit {
            meta: sheet.meta.clone(),
            age: Duration::ZERO,
            fresh_for: sheet.life.fresh,
            stale_for: sheet.life.stale,
            ..hit
        });
        Self {
            primary: self.primary.clone(),
            variant: self.variant.clone(),
            names: self.names.clone(),
            hit,
            pass: false,
        }
    }

    /// Whether responses are known to vary by the coding that is chosen here.
    pub(super) fn by_coding(&self) -> ByCoding {
        let names = self.names.as_ref();
        names.map_or(ByCoding::No, |names| ByCoding::of(kept::names(names)))
    }

    pub(super) fn head(&self) -> Option<(kept::Head<'_>, &Hit)> {
        let hit = self.hit.as_ref()?;
        match kept::read(&hit.meta) {
            Kept::Response(head) => Some((head, hit)),
            _ => None,
        }
    }

    /// Why a server is asked.
    pub(super) fn lack(&self) -> Forwarded {
        match (&self.hit, &self.names) {
            (Some(hit), _) if kept::is_fresh(hit) => Forwarded::Request,
            (Some(_), _) => Forwarded::Stale,
            (None, Some(_)) => Forwarded::VaryMiss,
            (None, None) => Forwarded::UriMiss,
        }
    }

    /// Stores a response; whether it is there now.
    pub(super) fn put(&self, store: &Store, request: &Request, permit: Permit, sheet: &Sheet, body: &[u8]) -> bool {
        match &self.names {
            _ if permit == Permit::None => false,
            None if sheet.names.is_empty() => self.put_at(store, self.key(), permit, sheet, body),
            None => self.put_first_variant(store, request, permit, sheet, body),
            Some(names)
                if sheet
                    .names
                    .iter()
                    .all(|name| kept::names(names).any(|known| known == name)) =>
            {
                self.put_at(store, self.key(), permit, sheet, body)
            }
            Some(names) => {
                self.vary_by_more(store, names, sheet);
                false
            }
        }
    }

    fn put_at(&self, store: &Store, key: &[u8], permit: Permit, sheet: &Sheet, body: &[u8]) -> bool {
        let family = key::family(&self.primary);
        let is_variant = key != self.primary;
        let tags = sheet.tags.iter().map(Vec::as_slice);
        let tags: Vec<_> = tags.chain(is_variant.then_some(family.as_slice())).collect();
        let stored = store.set(New {
            key,
            value: body,
            meta: &sheet.meta,
            life: sheet.life,
            tags: &tags,
            lease: permit.lease(),
            over: permit.over(),
            ..New::default()
        });
        matches!(stored, Stored::Yes(_))
    }

    /// The first response that is known to vary: the lease is on the URI's own place, where from now on the names lie. The variant
    /// is there before them, and goes again where the lease is lost.
    fn put_first_variant(&self, store: &Store, request: &Request, permit: Permit, sheet: &Sheet, body: &[u8]) -> bool {
        let names = sheet.names.iter().map(Vec::as_slice);
        let variant = key::variant(&self.primary, request, names);
        if !self.put_at(store, &variant, Permit::None, sheet, body) {
            return false;
        }
        let told = self.tell(store, &kept::variants(&sheet.names), VARIANTS, &sheet.tags, permit);
        if !told {
            store.remove(&variant, false);
        }
        told
    }

    /// Responses vary by more than was known: from the next request on they lie elsewhere.
    fn vary_by_more(&self, store: &Store, known: &[u8], sheet: &Sheet) {
        let mut names: Vec<_> = kept::names(known).map(<[u8]>::to_vec).collect();
        names.extend(sheet.names.iter().cloned());
        names.sort();
        names.dedup();
        self.tell(store, &kept::variants(&names), VARIANTS, &[], Permit::None);
    }

    /// Nobody need wait for this one: nothing that is said here could be stored.
    pub(super) fn put_pass(&self, store: &Store, permit: Permit) {
        if let (Permit::Lease(_), None, None) = (permit, &self.hit, &self.names) {
            self.tell(store, kept::PASSED, PASS, &[], permit);
        }
    }

    fn tell(&self, store: &Store, meta: &[u8], life: Lifetime, tags: &[Vec<u8>], permit: Permit) -> bool {
        let tags: Vec<_> = tags.iter().map(Vec::as_slice).collect();
        let stored = store.set(New {
            key: &self.primary,
            value: &[],
            meta,
            life,
            tags: &tags,
            lease: permit.lease(),
            over: permit.over(),
            uncounted: true,
        });
        matches!(stored, Stored::Yes(_))
    }
}

/// What a request that changed something makes of no use (RFC 9111, 4.4; RFC 9875, 3).
pub(super) fn invalidate(edge: &EdgeCache, primary: &[u8], fields: &crate::http::fields::Fields) {
    edge.purge(primary, false);
    for name in [b"location".as_slice(), b"content-location"] {
        let key = fields.get(name).and_then(|reference| key::referred(primary, reference));
        if let Some(key) = key.filter(|key| key != primary) {
            edge.purge(&key, false);
        }
    }
    for tag in crate::edge::groups::invalidated(primary, fields) {
        edge.store.invalidate_tag(&tag, false);
    }
}
