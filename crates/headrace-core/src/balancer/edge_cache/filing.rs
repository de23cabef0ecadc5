//! From a response's head to what is stored of it: whether, as what, under which tags, for how long.

use std::time::Duration;

use bytes::Bytes;

use super::{
    EdgeOptions,
    kept::{Head, Lived},
};
use crate::{
    cache::Lifetime,
    edge::{
        directives::ResponseDirectives,
        freshness::{self, Times},
        groups,
        reuse::Terms,
        storable::{Asked, Unstorable, storable},
        validation,
        vary::{ByCoding, Vary},
    },
    http::fields::{Fields, Known},
};

/// For how many seconds a response is kept after its lifetime that its server can be asked about.
const KEPT_TO_ASK: u32 = 3600;

/// A response as it will be stored, without its body.
pub(super) struct Sheet {
    pub(super) meta: Bytes,
    pub(super) life: Lifetime,
    pub(super) tags: Vec<Vec<u8>>,
    /// The fields that it varies by, in the form that tells variants apart.
    pub(super) names: Vec<Vec<u8>>,
    pub(super) ttl: u32,
}

/// Whether a response may be stored, and why not.
pub(super) fn verdict(asked: &Asked, status: u16, fields: &Fields) -> Result<(), Unstorable> {
    storable(asked, status, fields, &ResponseDirectives::of(fields))
}

/// Whether nobody's request would have had a response stored like this one: then others need not wait for it.
pub(super) fn is_for_nobody(status: u16, fields: &Fields) -> bool {
    let anybody = Asked {
        get: true,
        ..Asked::default()
    };
    status < 500 && !matches!(status, 206 | 304) && verdict(&anybody, status, fields).is_err()
}

/// The sheet of a response that may be stored; `None` where that would be of no use.
pub(super) fn sheet(
    primary: &[u8],
    status: u16,
    fields: &Fields,
    by_coding: ByCoding,
    times: Times,
    options: &EdgeOptions,
) -> Option<Sheet> {
    let directives = ResponseDirectives::of(fields);
    let Vary::By(names) = Vary::of(fields) else {
        return None;
    };
    let lifetime = freshness::lifetime(status, fields, &directives, times.received).seconds;
    let terms = Terms::of(&directives);
    let lived = Lived {
        lifetime,
        initial_age: freshness::initial_age(fields, times),
        kept: kept(fields, &terms, options),
    };
    let head = Head::new(status, lived, times.received, terms);
    let left = lifetime.saturating_sub(head.initial_age);
    // What must always be asked about is never fresh to the store, so that one asks for all.
    let (fresh, stale) = match terms.no_cache {
        true => (0, left.saturating_add(head.kept)),
        false => (left, head.kept),
    };
    if fresh == 0 && head.kept == 0 {
        return None;
    }
    Some(Sheet {
        meta: head.write(&stored(fields, &directives)),
        life: Lifetime {
            fresh: Duration::from_secs(fresh.into()),
            stale: Duration::from_secs(stale.into()),
        },
        tags: groups::tags(primary, fields),
        names: by_coding.tell_apart(names),
        ttl: fresh,
    })
}

/// For how long it is of use once it is stale.
fn kept(fields: &Fields, terms: &Terms, options: &EdgeOptions) -> u32 {
    let ask = if validation::has_validator(fields) {
        KEPT_TO_ASK
    } else {
        0
    };
    if terms.no_cache || terms.must_revalidate {
        return ask;
    }
    let default = if terms.forbids_stale { 0 } else { options.stale_if_error };
    ask.max(terms.while_revalidate).max(terms.if_error.unwrap_or(default))
}

/// The fields that are kept (RFC 9111, 3.1): not the age, which is reckoned anew, nor what is meant for one reader or a proxy.
fn stored(fields: &Fields, directives: &ResponseDirectives) -> Fields {
    let mut stored = Fields::new();
    for field in fields.iter() {
        let withheld = directives
            .withheld
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name));
        let of_a_proxy = field.name.eq_ignore_ascii_case(b"proxy-authentication-info");
        if field.known != Known::Age && !withheld && !of_a_proxy {
            stored.push(field.name, field.value);
        }
    }
    stored
}
