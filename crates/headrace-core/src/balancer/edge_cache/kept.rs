//! What lies beside a body in the store: a response's head, as bytes that are served without being taken apart.
//!
//! | at | of a response |
//! |---|---|
//! | 0, 1, 2 | kind; flags; status |
//! | 4, 8, 12 | lifetime, age when it came, and for how long it is kept after its lifetime, in seconds |
//! | 16, 20, 24 | `stale-while-revalidate`, `stale-if-error`; when it came, in seconds since 1970 |
//! | 32 | its fields, as the lines that are sent |
//!
//! Where responses to one URI vary, the names of the fields lie at the URI's key in place of a response, a line each; where it is
//! known that nothing can be stored, nothing but the kind.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    cache::Hit,
    edge::{
        groups,
        reuse::{Candidate, Terms},
    },
    http::fields::{Field, Fields, Known, Lines},
};

const RESPONSE: u8 = 0;
const VARIANTS: u8 = 1;
const PASS: u8 = 2;

/// What lies where nothing can be stored.
pub(super) const PASSED: &[u8] = &[PASS];

const NO_CACHE: u8 = 1;
const MUST_REVALIDATE: u8 = 2;
const FORBIDS_STALE: u8 = 4;
const IF_ERROR: u8 = 8;
const DATED: u8 = 16;
/// Fields are among them that are not for clients.
const SPOKEN_TO_US: u8 = 32;

const LINES: usize = 32;

/// What is at a key.
pub(super) enum Kept<'a> {
    Response(Head<'a>),
    /// Names of fields, a line each.
    Variants(&'a [u8]),
    Pass,
}

/// A stored response's head.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) status: u16,
    pub(super) lifetime: u32,
    pub(super) initial_age: u32,
    /// For how many seconds it is kept once it is stale.
    pub(super) kept: u32,
    pub(super) received: u64,
    pub(super) terms: Terms,
    /// All fields are for clients.
    pub(super) is_plain: bool,
    pub(super) lines: Lines<'a>,
}

/// Seconds of a response's life.
#[derive(Clone, Copy)]
pub(super) struct Lived {
    pub(super) lifetime: u32,
    pub(super) initial_age: u32,
    pub(super) kept: u32,
}

pub(super) fn variants(names: &[Vec<u8>]) -> Vec<u8> {
    let mut meta = vec![VARIANTS];
    meta.extend(names.join(b"\n".as_slice()));
    meta
}

pub(super) fn is_fresh(hit: &Hit) -> bool {
    !hit.fresh_for.is_zero()
}

pub(super) fn read(meta: &[u8]) -> Kept<'_> {
    match meta.split_first() {
        Some((&RESPONSE, _)) => Head::read(meta).map_or(Kept::Pass, Kept::Response),
        Some((&VARIANTS, names)) => Kept::Variants(names),
        _ => Kept::Pass,
    }
}

/// The names in what [`variants`] wrote.
pub(super) fn names(lines: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    lines.split(|byte| *byte == b'\n')
}

impl<'a> Head<'a> {
    fn read(meta: &'a [u8]) -> Option<Self> {
        let (fixed, lines) = meta.split_first_chunk::<LINES>()?;
        let number = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let flags = fixed[1];
        Some(Self {
            status: u16::from_le_bytes([fixed[2], fixed[3]]),
            lifetime: number(4),
            initial_age: number(8),
            kept: number(12),
            received: u64::from(number(24)) | u64::from(number(28)) << 32,
            terms: Terms {
                no_cache: flags & NO_CACHE != 0,
                must_revalidate: flags & MUST_REVALIDATE != 0,
                forbids_stale: flags & FORBIDS_STALE != 0,
                while_revalidate: number(16),
                if_error: (flags & IF_ERROR != 0).then(|| number(20)),
            },
            is_plain: flags & SPOKEN_TO_US == 0,
            lines: Lines::new(lines, flags & DATED != 0),
        })
    }

    /// A head whose fields are not there yet.
    pub(super) fn new(status: u16, times: Lived, received: u64, terms: Terms) -> Self {
        Self {
            status,
            lifetime: times.lifetime,
            initial_age: times.initial_age,
            kept: times.kept,
            received,
            terms,
            is_plain: true,
            lines: Lines::default(),
        }
    }

    pub(super) fn write(&self, fields: &Fields) -> Bytes {
        let mut meta = BytesMut::with_capacity(1024);
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let terms = &self.terms;
        meta.put_u8(RESPONSE);
        meta.put_u8(
            flag(terms.no_cache, NO_CACHE)
                | flag(terms.must_revalidate, MUST_REVALIDATE)
                | flag(terms.forbids_stale, FORBIDS_STALE)
                | flag(terms.if_error.is_some(), IF_ERROR)
                | flag(fields.known(Known::Date).is_some(), DATED)
                | flag(
                    fields.iter().any(|field| groups::is_spoken_to_us(field.name)),
                    SPOKEN_TO_US,
                ),
        );
        meta.put_u16_le(self.status);
        for number in [self.lifetime, self.initial_age, self.kept, terms.while_revalidate] {
            meta.put_u32_le(number);
        }
        meta.put_u32_le(terms.if_error.unwrap_or(0));
        meta.put_u64_le(self.received);
        fields.write_where(&mut meta, |_| true);
        meta.freeze()
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        self.lines.fields()
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut fields = self.fields();
        fields
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    /// The fields in a form in which they can be changed.
    pub(super) fn to_fields(self) -> Fields {
        let mut fields = Fields::new();
        self.fields().for_each(|field| fields.push(field.name, field.value));
        fields
    }

    pub(super) fn age(&self, hit: &Hit) -> u32 {
        self.initial_age.saturating_add(seconds(hit.age))
    }

    /// As what the response counts now. The store knows of invalidations; how long ago they were follows from how much longer
    /// it keeps the response.
    pub(super) fn candidate(&self, hit: &Hit) -> Candidate {
        let age = self.age(hit);
        let fresh = is_fresh(hit) || self.terms.no_cache;
        let left = self.lifetime.saturating_sub(age);
        let by_word = self.kept.saturating_sub(seconds(hit.stale_for));
        Candidate {
            age,
            fresh_for: if fresh { left.max(u32::from(is_fresh(hit))) } else { 0 },
            stale_for: if fresh {
                0
            } else {
                age.saturating_sub(self.lifetime).max(by_word)
            },
            terms: self.terms,
        }
    }

    /// Seconds for which it stays fresh; less than 0: since when it is stale.
    pub(super) fn ttl(&self, hit: &Hit) -> i64 {
        let candidate = self.candidate(hit);
        i64::from(candidate.fresh_for) - i64::from(candidate.stale_for)
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(age: u64, fresh_for: u64, stale_for: u64) -> Hit {
        Hit {
            value: Bytes::new(),
            meta: Bytes::new(),
            version: 1,
            age: Duration::from_secs(age),
            fresh_for: Duration::from_secs(fresh_for),
            stale_for: Duration::from_secs(stale_for),
        }
    }

    fn head() -> Head<'static> {
        Head {
            status: 203,
            lifetime: 60,
            initial_age: 10,
            kept: 100,
            received: 1 << 40,
            terms: Terms {
                forbids_stale: true,
                while_revalidate: 7,
                if_error: Some(9),
                ..Terms::default()
            },
            is_plain: true,
            lines: Lines::default(),
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let mut fields = Fields::new();
        fields.push(b"ETag", b"\"a\"");
        fields.push(b"X-Empty", b"");
        let meta = head().write(&fields);
        let Kept::Response(read) = read(&meta) else {
            panic!("a response")
        };
        assert_eq!(
            (read.status, read.lifetime, read.initial_age, read.kept),
            (203, 60, 10, 100)
        );
        assert_eq!((read.received, read.terms), (1 << 40, head().terms));
        assert_eq!(
            (read.get(b"etag"), read.get(b"x-empty"), read.get(b"x")),
            (Some(&b"\"a\""[..]), Some(&b""[..]), None)
        );
        assert_eq!(read.to_fields().len(), 2);
        assert!(read.is_plain && !read.lines.is_dated());
        for end in 0..meta.len() {
            let _ = super::read(&meta[..end]);
        }
    }

    #[test]
    fn a_head_knows_of_its_date_and_of_what_is_not_for_clients() {
        let mut fields = Fields::new();
        fields.push(b"Date", b"Sun, 06 Nov 1994 08:49:37 GMT");
        fields.push(b"Cache-Tag", b"a");
        let meta = head().write(&fields);
        let Kept::Response(read) = read(&meta) else {
            panic!("a response")
        };
        assert!(read.lines.is_dated() && !read.is_plain);
    }

    #[test]
    fn a_response_grows_old_and_stale() {
        let fresh = head().candidate(&hit(20, 30, 100));
        assert_eq!((fresh.age, fresh.fresh_for, fresh.stale_for), (30, 30, 0));
        let stale = head().candidate(&hit(55, 0, 95));
        assert_eq!((stale.age, stale.fresh_for, stale.stale_for), (65, 0, 5));
    }

    #[test]
    fn what_was_made_stale_has_been_so_since_then() {
        let soft = head().candidate(&hit(20, 0, 97));
        assert_eq!((soft.age, soft.fresh_for, soft.stale_for), (30, 0, 3));
    }
}
