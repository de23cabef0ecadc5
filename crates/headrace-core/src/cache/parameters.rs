//! What a request asks for, read from its target and its fields. Pure: bytes in, values or a reason out.
//!
//! What would be understood by one server and overlooked by another is refused: a parameter that comes twice or that
//! nobody knows, a lifetime that is no number. Only lifetimes beyond 2^31 seconds are taken for that (RFC 9111, 1.2.2).

use std::{borrow::Cow, time::Duration};

use super::Lifetime;
use crate::{http::fields::elements, metrics::Refused, service};

/// Longest key, prefix, in bytes.
pub(super) const MAX_KEY: usize = 8 * 1024;
/// Longest tag, in bytes, and most tags of a value.
pub(super) const MAX_TAG: usize = 1024;
pub(super) const MAX_TAGS: usize = 64;

const LONGEST: f64 = 2_147_483_648.0;
/// Longest lease, and longest wait for somebody else's, in seconds.
const MAX_LEASE: f64 = 3600.0;
const MAX_WAIT: f64 = 300.0;

/// Why a request makes no sense, for its client.
pub type Bad = (Refused, Cow<'static, str>);

/// `GET /`: a value, and perhaps the right to compute it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    pub(super) key: Cow<'a, [u8]>,
    pub(super) lease: Option<Duration>,
    pub(super) wait: Duration,
    /// Its tags are told, for who keeps a copy and follows the changes.
    pub(super) with_tags: bool,
}

/// What is to be invalidated.
#[derive(Debug, PartialEq, Eq)]
pub enum Target<'a> {
    Key(Cow<'a, [u8]>),
    Tag(Cow<'a, [u8]>),
    Prefix(Cow<'a, [u8]>),
}

/// The key of a target that asks for nothing else and has it in plain text, as most do.
pub(super) fn plain_key(target: &[u8]) -> Option<&[u8]> {
    let key = target.strip_prefix(b"/?key=")?;
    let plain = memchr::memchr3(b'&', b'%', b'+', key).is_none();
    (plain && !key.is_empty() && key.len() <= MAX_KEY).then_some(key)
}

pub(super) fn wanted(target: &[u8]) -> Result<Wanted<'_>, Bad> {
    let [key, lease, wait, with_tags] = named(target, ["key", "lease", "wait", "with_tags"])?;
    if lease.is_none() && wait.is_some() {
        return Err(bad("wait goes with lease: how long to wait for whoever has it"));
    }
    Ok(Wanted {
        key: given_key(key)?,
        lease: lease.map(|lease| span("lease", &lease, 0.001, MAX_LEASE)).transpose()?,
        wait: wait.map_or(Ok(Duration::ZERO), |wait| span("wait", &wait, 0.0, MAX_WAIT))?,
        with_tags: flag("with_tags", with_tags.as_deref())?,
    })
}

/// The key of a call that takes nothing else.
pub(super) fn key(target: &[u8]) -> Result<Cow<'_, [u8]>, Bad> {
    let [key] = named(target, ["key"])?;
    given_key(key)
}

/// `DELETE /lease`: the key and the lease.
pub(super) fn given_up(target: &[u8]) -> Result<(Cow<'_, [u8]>, u64), Bad> {
    let [key, id] = named(target, ["key", "id"])?;
    let id = id.ok_or_else(|| bad("id is missing: the number that the field Lease told"))?;
    Ok((given_key(key)?, lease(&id)?))
}

/// `/invalidate`: what, and whether it is only marked as stale.
pub(super) fn invalidated(target: &[u8]) -> Result<(Target<'_>, bool), Bad> {
    let [key, tag, prefix, soft] = named(target, ["key", "tag", "prefix", "soft"])?;
    let soft = flag("soft", soft.as_deref())?;
    let target = match (key, tag, prefix) {
        (Some(key), None, None) => Target::Key(checked_key(key)?),
        (None, Some(tag), None) => Target::Tag(checked_tag(tag)?),
        (None, None, Some(prefix)) if prefix.len() <= MAX_KEY => Target::Prefix(prefix),
        (None, None, Some(_)) => return Err(too_long()),
        _ => return Err(bad("say what: one of key, tag and prefix")),
    };
    Ok((target, soft))
}

/// How long a value may be used, as the fields named `Cache-Control` say.
pub(super) fn lifetime<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Result<Lifetime, Bad> {
    let (mut fresh, mut stale) = (None, None);
    for directive in fields.flat_map(elements) {
        let (name, value) = split(directive);
        let (place, name) = match name.to_ascii_lowercase().as_slice() {
            b"max-age" | b"maxage" => (&mut fresh, "max-age"),
            b"stale-while-revalidate" => (&mut stale, "stale-while-revalidate"),
            _ => continue,
        };
        if place.replace(seconds(name, value)?).is_some() {
            return Err(bad(format!("{name} comes twice")));
        }
    }
    let Some(fresh) = fresh else {
        return Err(bad("say how long the value is good for: Cache-Control: max-age=60"));
    };
    living(fresh, stale.unwrap_or_default())
}

/// What is fresh and stale for no time at all would never be served.
pub(super) fn living(fresh: Duration, stale: Duration) -> Result<Lifetime, Bad> {
    match fresh.is_zero() && stale.is_zero() {
        true => Err(bad(
            "max-age is 0, so the value would never be served; DELETE removes one",
        )),
        false => Ok(Lifetime { fresh, stale }),
    }
}

/// The tags that a request's fields give a value.
pub(super) fn tags<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<Vec<&'a [u8]>, Bad> {
    let mut tags = Vec::new();
    for (name, value) in fields {
        if name.eq_ignore_ascii_case(b"cache-tags") || name.eq_ignore_ascii_case(b"cache-tag") {
            tags.extend(elements(value));
        } else if name.eq_ignore_ascii_case(b"surrogate-key") {
            tags.extend(value.split(u8::is_ascii_whitespace).filter(|tag| !tag.is_empty()));
        }
    }
    check_tags(&tags)?;
    Ok(tags)
}

pub(super) fn check_tags(tags: &[&[u8]]) -> Result<(), Bad> {
    match tags.iter().any(|tag| tag.is_empty() || tag.len() > MAX_TAG) {
        _ if tags.len() > MAX_TAGS => Err(bad(format!("a value has at most {MAX_TAGS} tags"))),
        true => Err(bad(format!("a tag has 1 to {MAX_TAG} bytes"))),
        false => Ok(()),
    }
}

/// Whether a request's `Cache-Control` takes what is stale (RFC 9111, 5.2.1.2).
pub(super) fn takes_stale(field: &[u8]) -> bool {
    elements(field).any(|directive| split(directive).0.eq_ignore_ascii_case(b"max-stale"))
}

/// The number that the field `Lease` told.
pub(super) fn lease(text: &[u8]) -> Result<u64, Bad> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| bad("a lease is the number that the field Lease told"))
}

/// The version of which `If-Match` has the entity tag. A list of them and `*` are not among what is ours to compare.
pub(super) fn version(field: &[u8]) -> Result<u64, Bad> {
    let digits = field.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\""));
    let digits = digits.filter(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit));
    let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    let number = text.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.ok_or_else(|| bad("If-Match is the ETag that a value came with"))
}

/// Whether `If-None-Match` has this entity tag, compared weakly (RFC 9110, 13.1.2).
pub(super) fn has_tag(field: &[u8], etag: &[u8]) -> bool {
    elements(field).any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
}

pub(super) fn bad(message: impl Into<Cow<'static, str>>) -> Bad {
    (Refused::BadRequest, message.into())
}

pub(super) fn checked_key(key: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, Bad> {
    match key.len() {
        0 => Err(bad("key is empty")),
        length if length > MAX_KEY => Err(too_long()),
        _ => Ok(key),
    }
}

pub(super) fn checked_tag(tag: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, Bad> {
    check_tags(&[&tag])?;
    Ok(tag)
}

fn given_key(key: Option<Cow<'_, [u8]>>) -> Result<Cow<'_, [u8]>, Bad> {
    checked_key(key.ok_or_else(|| bad("key is missing: /?key=NAME"))?)
}

fn too_long() -> Bad {
    (
        Refused::UriTooLong,
        format!("A key has at most {MAX_KEY} bytes; use its hash.").into(),
    )
}

/// The values of these parameters; none may come twice, and there are no others.
fn named<'a, const N: usize>(target: &'a [u8], names: [&str; N]) -> Result<[Option<Cow<'a, [u8]>>; N], Bad> {
    let mut values = [const { None }; N];
    for pair in service::pairs(target) {
        let (name, value) = pair.map_err(bad)?;
        let Some(index) = names.iter().position(|known| known.as_bytes() == &*name) else {
            let name = String::from_utf8_lossy(&name).into_owned();
            return Err(bad(format!(
                "there is no parameter {name:?} here; there is {}",
                names.join(", ")
            )));
        };
        if values[index].replace(value).is_some() {
            return Err(bad(format!("{} comes twice", names[index])));
        }
    }
    Ok(values)
}

/// A directive's name and its value, which may stand in quotes.
fn split(directive: &[u8]) -> (&[u8], &[u8]) {
    let equals = memchr::memchr(b'=', directive).unwrap_or(directive.len());
    let (name, value) = directive.split_at(equals);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    (name.trim_ascii(), quoted.unwrap_or(value))
}

/// Digits, perhaps with a fraction.
fn seconds(name: &str, text: &[u8]) -> Result<Duration, Bad> {
    let plain =
        text.first().is_some_and(u8::is_ascii_digit) && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let number = std::str::from_utf8(text).ok().filter(|_| plain);
    let number: Option<f64> = number.and_then(|text| text.parse().ok());
    let Some(number) = number else {
        let text = String::from_utf8_lossy(text).into_owned();
        return Err(bad(format!("{name} is a number of seconds from 0 on, not {text:?}")));
    };
    Ok(Duration::from_secs_f64(number.min(LONGEST)))
}

fn flag(name: &str, text: Option<&[u8]>) -> Result<bool, Bad> {
    match text {
        None | Some(b"0") => Ok(false),
        Some(b"1") => Ok(true),
        Some(_) => Err(bad(format!("{name} is 1 or 0"))),
    }
}

fn span(name: &str, text: &[u8], least: f64, most: f64) -> Result<Duration, Bad> {
    let span = seconds(name, text)?;
    match (least..=most).contains(&span.as_secs_f64()) {
        true => Ok(span),
        false => Err(bad(format!("{name} is a number of seconds from {least} to {most}"))),
    }
}

/// A number of seconds that came as such.
pub(super) fn number(name: &str, number: f64) -> Result<Duration, Bad> {
    match number >= 0.0 {
        true => Ok(Duration::from_secs_f64(number.min(LONGEST))),
        false => Err(bad(format!("{name} is a number of seconds from 0 on"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(fields: &[&str]) -> Result<(f64, f64), String> {
        let life = lifetime(fields.iter().map(|field| field.as_bytes())).map_err(|(_, why)| why.into_owned())?;
        Ok((life.fresh.as_secs_f64(), life.stale.as_secs_f64()))
    }

    #[test]
    fn lifetimes_are_read_as_the_field_may_be_written() {
        for (fields, expected) in [
            (&["max-age=60"][..], (60.0, 0.0)),
            (&["maxage=60"], (60.0, 0.0)),
            (&["public, Max-Age=\"60\" , stale-while-revalidate=5"], (60.0, 5.0)),
            (&["max-age=60", "stale-while-revalidate=5"], (60.0, 5.0)),
            (&["max-age=0.25"], (0.25, 0.0)),
            (&["max-age=0, stale-while-revalidate=9"], (0.0, 9.0)),
            (&["max-age=99999999999999999999999"], (LONGEST, 0.0)),
        ] {
            assert_eq!(life(fields), Ok(expected), "{fields:?}");
        }
    }

    #[test]
    fn lifetimes_that_mean_nothing_are_refused_with_the_reason() {
        for (field, reason) in [
            ("", "say how long"),
            ("no-store", "say how long"),
            ("max-age", "number of seconds"),
            ("max-age=", "number of seconds"),
            ("max-age=-5", "number of seconds"),
            ("max-age=+5", "number of seconds"),
            ("max-age=1e3", "number of seconds"),
            ("max-age=1.2.3", "number of seconds"),
            ("max-age=inf", "number of seconds"),
            ("max-age=ten", "number of seconds"),
            ("max-age=0", "never be served"),
            ("max-age=1, max-age=1", "comes twice"),
            ("max-age=1, maxage=2", "comes twice"),
        ] {
            let why = life(&[field]).unwrap_err();
            assert!(why.contains(reason), "{field}: {why}");
        }
    }

    #[test]
    fn a_target_tells_what_is_wanted() {
        let wants = wanted(b"/?key=a%2fb+c&lease=10&wait=0.5").unwrap();
        assert_eq!(&*wants.key, b"a/b c");
        assert_eq!(
            (wants.lease, wants.wait),
            (Some(Duration::from_secs(10)), Duration::from_millis(500))
        );
        assert!(!wants.with_tags && wanted(b"/?key=a&with_tags=1").unwrap().with_tags);
        assert_eq!(&*key(b"/?key=%00%ff").unwrap(), b"\0\xff");
        assert_eq!(plain_key(b"/?key=a/b=c?d"), Some(&b"a/b=c?d"[..]));
        for target in ["/?key=", "/?key=a%20", "/?key=a+b", "/?key=a&wait=1", "/x?key=a", "/"] {
            assert_eq!(plain_key(target.as_bytes()), None, "{target}");
        }
        assert_eq!(given_up(b"/lease?key=a&id=7"), Ok((Cow::Borrowed(&b"a"[..]), 7)));
    }

    #[test]
    fn targets_that_make_no_sense_are_refused_with_the_reason() {
        let long = format!("/?key={}", "k".repeat(MAX_KEY + 1));
        for (target, reason) in [
            ("/", "key is missing"),
            ("/?key=", "key is empty"),
            ("/?key=a&key=a", "key comes twice"),
            ("/?key=%zz", "two hexadecimal digits"),
            ("/?ky=a", "there is no parameter \"ky\""),
            ("/?key=a&wait=1", "wait goes with lease"),
            ("/?key=a&lease=0", "from 0.001 to 3600"),
            ("/?key=a&lease=3601", "from 0.001 to 3600"),
            ("/?key=a&lease=1&wait=301", "from 0 to 300"),
            ("/?key=a&lease=soon", "number of seconds"),
            ("/?key=a&with_tags=yes", "with_tags is 1 or 0"),
            (&long, "at most 8192 bytes"),
        ] {
            let (_, why) = wanted(target.as_bytes()).unwrap_err();
            assert!(why.contains(reason), "{target}: {why}");
        }
        assert_eq!(wanted(long.as_bytes()).unwrap_err().0, Refused::UriTooLong);
    }

    #[test]
    fn one_thing_is_invalidated_at_a_time() {
        let what = |target: &'static str| invalidated(target.as_bytes());
        assert_eq!(what("/invalidate?tag=a&soft=1"), Ok((Target::Tag(b"a".into()), true)));
        assert_eq!(what("/invalidate?prefix="), Ok((Target::Prefix(b"".into()), false)));
        assert_eq!(what("/invalidate?key=a&soft=0"), Ok((Target::Key(b"a".into()), false)));
        for target in [
            "/invalidate",
            "/invalidate?key=a&tag=b",
            "/invalidate?tag=",
            "/invalidate?key=a&soft=2",
        ] {
            assert!(what(target).is_err(), "{target}");
        }
    }

    #[test]
    fn tags_come_in_any_of_three_fields() {
        let fields = [
            ("Cache-Tags", "a, b"),
            ("cache-tag", "c,,"),
            ("Surrogate-Key", "d  e"),
            ("X", "f"),
        ];
        let fields = || fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert_eq!(tags(fields()), Ok(vec![&b"a"[..], b"b", b"c", b"d", b"e"]));
        let many = "t,".repeat(MAX_TAGS + 1);
        assert!(tags([(&b"cache-tags"[..], many.as_bytes())].into_iter()).is_err());
        assert!(check_tags(&[&[b'x'; MAX_TAG + 1]]).is_err());
    }

    #[test]
    fn a_version_is_an_entity_tag_of_ours() {
        assert_eq!(version(b"\"000000000000001f\""), Ok(31));
        for field in [
            "",
            "*",
            "\"1f\"",
            "W/\"000000000000001f\"",
            "\"+00000000000001f\"",
            "000000000000001f",
        ] {
            assert!(version(field.as_bytes()).is_err(), "{field}");
        }
    }

    #[test]
    fn conditions_are_compared_weakly() {
        for field in ["\"1f\"", "W/\"1f\"", "\"2\", \"1f\"", "*"] {
            assert!(has_tag(field.as_bytes(), b"\"1f\""), "{field}");
        }
        assert!(!has_tag(b"\"2\"", b"\"1f\"") && !has_tag(b"", b"\"1f\""));
        assert!(takes_stale(b"no-cache, Max-Stale=5") && !takes_stale(b"max-age=5"));
    }
}
