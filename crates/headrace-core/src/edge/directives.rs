//! Cache directives of requests and responses as values (RFC 9111, 5.2).
//!
//! What is written twice, or makes no sense, is taken in the way that keeps less: of two lifetimes the shorter one, of one that
//! is no number nothing at all (4.2.1). A response that has a valid `CDN-Cache-Control` is governed by that alone (RFC 9213).

use super::structured::{self, Item};
use crate::http::fields::{Fields, Known};

/// The longest time that is told apart from longer ones, in seconds (RFC 9111, 1.2.2).
pub const LONGEST: u32 = 1 << 31;

/// What a request asks of caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestDirectives {
    pub no_cache: bool,
    pub no_store: bool,
    pub only_if_cached: bool,
    pub max_age: Option<u32>,
    pub min_fresh: Option<u32>,
    pub max_stale: Option<u32>,
    /// RFC 5861, 4.
    pub stale_if_error: Option<u32>,
}

impl RequestDirectives {
    /// Reads `Cache-Control`, and `Pragma` where that is all there is (RFC 9111, 5.4).
    pub fn of(fields: &Fields) -> Self {
        let mut read = Self::default();
        if [Known::CacheControl, Known::Pragma]
            .iter()
            .all(|known| fields.known(*known).is_none())
        {
            return read;
        }
        let mut controlled = false;
        let mut pragma = false;
        for field in fields.iter() {
            match field.known {
                Known::CacheControl => {
                    controlled = true;
                    directives(field.value, |name, value| read.take(name, value.as_ref()));
                }
                Known::Pragma => directives(field.value, |name, _| pragma |= name.eq_ignore_ascii_case(b"no-cache")),
                _ => {}
            }
        }
        read.no_cache |= pragma && !controlled;
        read
    }

    fn take(&mut self, name: &[u8], value: Option<&Value<'_>>) {
        let seconds = value.map(Value::seconds);
        match name.to_ascii_lowercase().as_slice() {
            b"no-cache" => self.no_cache = true,
            b"no-store" => self.no_store = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => shorten(&mut self.max_age, seconds.flatten().unwrap_or(0)),
            b"min-fresh" => {
                let least = seconds.flatten().unwrap_or(LONGEST);
                self.min_fresh = Some(self.min_fresh.map_or(least, |before| before.max(least)));
            }
            // Without a number any age will do; with one that is none no age does.
            b"max-stale" => shorten(&mut self.max_stale, seconds.map_or(LONGEST, |most| most.unwrap_or(0))),
            b"stale-if-error" => shorten(&mut self.stale_if_error, seconds.flatten().unwrap_or(0)),
            _ => {}
        }
    }
}

/// What a response allows caches, a shared one among them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseDirectives {
    pub no_store: bool,
    pub no_cache: bool,
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    pub max_age: Option<u32>,
    pub s_maxage: Option<u32>,
    /// RFC 5861.
    pub stale_while_revalidate: Option<u32>,
    pub stale_if_error: Option<u32>,
    /// Names of fields, in lower case, that `no-cache` and `private` keep out of the store.
    pub withheld: Vec<Vec<u8>>,
    /// `CDN-Cache-Control` decides: `Cache-Control` and `Expires` count for others.
    pub targeted: bool,
}

impl ResponseDirectives {
    pub fn of(fields: &Fields) -> Self {
        if let Some(targeted) = Self::targeted(fields) {
            return targeted;
        }
        let mut read = Self::default();
        for field in fields.iter().filter(|field| field.known == Known::CacheControl) {
            directives(field.value, |name, value| {
                read.take(&name.to_ascii_lowercase(), value.as_ref());
            });
        }
        read
    }

    /// RFC 9213, 2.1 and 2.2: ignored where it is empty or no dictionary.
    fn targeted(fields: &Fields) -> Option<Self> {
        let members = structured::dictionary(fields.get_all(b"cdn-cache-control"))?;
        let mut read = Self {
            targeted: true,
            ..Self::default()
        };
        for (name, item) in &members {
            let value = match item {
                Item::Boolean(true) => None,
                Item::Boolean(false) => continue,
                Item::Integer(number) => Some(Value(number.to_string().into_bytes().into())),
                Item::Text(text) if matches!(name.as_str(), "private" | "no-cache") => {
                    Some(Value(text.as_bytes().into()))
                }
                _ => Some(Value(b"".as_slice().into())),
            };
            read.take(name.as_bytes(), value.as_ref());
        }
        (!members.is_empty()).then_some(read)
    }

    fn take(&mut self, name: &[u8], value: Option<&Value<'_>>) {
        let seconds = || value.and_then(Value::seconds).unwrap_or(0);
        match name {
            b"no-store" => self.no_store = true,
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"max-age" => shorten(&mut self.max_age, seconds()),
            b"s-maxage" => shorten(&mut self.s_maxage, seconds()),
            b"stale-while-revalidate" => shorten(&mut self.stale_while_revalidate, seconds()),
            b"stale-if-error" => shorten(&mut self.stale_if_error, seconds()),
            b"no-cache" => self.no_cache |= !self.withhold(value),
            b"private" => self.private |= !self.withhold(value),
            _ => {}
        }
    }

    /// Notes the fields that are named; whether any are.
    fn withhold(&mut self, value: Option<&Value<'_>>) -> bool {
        let before = self.withheld.len();
        if let Some(Value(names)) = value {
            self.withheld
                .extend(crate::http::fields::elements(names).map(<[u8]>::to_ascii_lowercase));
        }
        self.withheld.len() > before
    }

    /// Whether a stale response must not be served on the word of a client alone (RFC 9111, 5.2.2.2, 5.2.2.8, 5.2.2.10).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.no_cache || self.s_maxage.is_some()
    }
}

/// A directive's argument, free of quotes.
struct Value<'a>(std::borrow::Cow<'a, [u8]>);

impl Value<'_> {
    /// RFC 9111, 1.2.2; `None` for what is no number.
    fn seconds(&self) -> Option<u32> {
        delta_seconds(&self.0)
    }
}

/// A number of seconds; what is too large for one is the largest (RFC 9111, 1.2.2).
pub(super) fn delta_seconds(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0_u64, |number, digit| {
        (number * 10 + u64::from(digit - b'0')).min(u64::from(LONGEST))
    });
    u32::try_from(number).ok()
}

fn shorten(slot: &mut Option<u32>, seconds: u32) {
    *slot = Some(slot.map_or(seconds, |before| before.min(seconds)));
}

/// Shows each directive of one field line to `visit`. Commas within quotes do not separate (RFC 9110, 5.6.1).
fn directives<'a>(line: &'a [u8], mut visit: impl FnMut(&'a [u8], Option<Value<'a>>)) {
    let mut rest = line;
    while !rest.is_empty() {
        let end = outside_quotes(rest, b',');
        let (directive, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.get(1..).unwrap_or_default();
        let directive = directive.trim_ascii();
        match memchr::memchr(b'=', directive) {
            Some(at) => {
                let (name, value) = directive.split_at(at);
                visit(name.trim_ascii(), Some(unquoted(value.get(1..).unwrap_or_default())));
            }
            None if directive.is_empty() => {}
            None => visit(directive, None),
        }
    }
}

fn outside_quotes(text: &[u8], wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.iter().position(|byte| {
        match *byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if !quoted && byte == wanted => return true,
            _ => {}
        }
        false
    })
}

/// An argument may come as a token or quoted, whatever its directive says (RFC 9111, 5.2).
fn unquoted(value: &[u8]) -> Value<'_> {
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let Some(inner) = inner else {
        return Value(value.into());
    };
    let mut escaped = false;
    let kept = inner.iter().copied().filter(|byte| {
        escaped = *byte == b'\\' && !escaped;
        !escaped
    });
    Value(kept.collect::<Vec<_>>().into())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fields, *};

    fn asked(text: &str) -> RequestDirectives {
        RequestDirectives::of(&fields(&[("Cache-Control", text)]))
    }

    fn told(text: &str) -> ResponseDirectives {
        ResponseDirectives::of(&fields(&[("cache-control", text)]))
    }

    #[test]
    fn rfc9111_5_2_1_requests_ask() {
        let none = RequestDirectives::default();
        for (text, read) in [
            ("", none),
            ("no-cache", RequestDirectives { no_cache: true, ..none }),
            ("NO-STORE", RequestDirectives { no_store: true, ..none }),
            (
                "only-if-cached",
                RequestDirectives {
                    only_if_cached: true,
                    ..none
                },
            ),
            (
                "max-age=10",
                RequestDirectives {
                    max_age: Some(10),
                    ..none
                },
            ),
            (
                "max-age=10, max-age=5",
                RequestDirectives {
                    max_age: Some(5),
                    ..none
                },
            ),
            (
                "max-age=x",
                RequestDirectives {
                    max_age: Some(0),
                    ..none
                },
            ),
            (
                "min-fresh=7,,min-fresh=3",
                RequestDirectives {
                    min_fresh: Some(7),
                    ..none
                },
            ),
            (
                "max-stale",
                RequestDirectives {
                    max_stale: Some(LONGEST),
                    ..none
                },
            ),
            (
                "max-stale=9",
                RequestDirectives {
                    max_stale: Some(9),
                    ..none
                },
            ),
            (
                "max-stale=nine",
                RequestDirectives {
                    max_stale: Some(0),
                    ..none
                },
            ),
            (
                "stale-if-error=9",
                RequestDirectives {
                    stale_if_error: Some(9),
                    ..none
                },
            ),
            ("community=\"no-cache, no-store\"", none),
        ] {
            assert_eq!(asked(text), read, "{text}");
        }
    }

    #[test]
    fn rfc9111_5_4_pragma_counts_where_it_is_alone() {
        assert!(RequestDirectives::of(&fields(&[("Pragma", "no-cache")])).no_cache);
        let both = [("Pragma", "no-cache"), ("Cache-Control", "max-age=1")];
        assert!(!RequestDirectives::of(&fields(&both)).no_cache);
    }

    #[test]
    fn rfc9111_1_2_2_seconds_are_whole_and_bounded() {
        for (text, seconds) in [
            ("max-age=60", Some(60)),
            ("max-age=\"60\"", Some(60)),
            ("max-age=0060", Some(60)),
            ("max-age=2147483648", Some(LONGEST)),
            ("max-age=99999999999999999999999", Some(LONGEST)),
            ("public", None),
        ] {
            assert_eq!(told(text).max_age, seconds, "{text}");
        }
    }

    #[test]
    fn rfc9111_4_2_1_what_makes_no_sense_is_stale() {
        for text in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=+1",
            "max-age=1.5",
            "max-age= 1",
            "max-age=1s",
            "max-age=60, max-age=0",
            "max-age='60'",
            "max-age=\"6",
            "Max-Age=abc",
        ] {
            assert_eq!(told(text).max_age, Some(0), "{text}");
        }
    }

    #[test]
    fn rfc9111_4_2_1_of_two_lifetimes_the_shorter_counts() {
        let lines = [("Cache-Control", "s-maxage=100"), ("Cache-Control", "s-maxage=7")];
        assert_eq!(ResponseDirectives::of(&fields(&lines)).s_maxage, Some(7));
    }

    #[test]
    fn rfc9111_5_2_2_4_and_7_fields_may_be_withheld_alone() {
        let read = told("no-cache=\"Set-Cookie, x-user\", private=\"X-B\", max-age=1");
        assert!(!read.no_cache && !read.private);
        assert_eq!(
            read.withheld,
            [b"set-cookie".to_vec(), b"x-user".to_vec(), b"x-b".to_vec()]
        );
        assert!(told("no-cache=\"\"").no_cache);
        assert!(told("private=").private);
        assert_eq!(told("private=set-cookie").withheld, [b"set-cookie".to_vec()]);
        // An escaped quote does not end the string.
        assert!(!told("x=\"a\\\", no-store\"").no_store);
    }

    #[test]
    fn rfc9111_5_2_2_flags_are_read_in_any_case() {
        let read = told(
            "Public, MUST-REVALIDATE, proxy-revalidate, must-understand, No-Store, private, no-cache, stale-if-error=5",
        );
        let flags = [
            read.public,
            read.must_revalidate,
            read.proxy_revalidate,
            read.must_understand,
            read.no_store,
        ];
        assert_eq!(flags, [true; 5]);
        assert!(read.private && read.no_cache && read.forbids_stale());
        assert_eq!((read.stale_if_error, read.stale_while_revalidate), (Some(5), None));
        assert!(told("s-maxage=1").forbids_stale() && !told("max-age=1").forbids_stale());
    }

    #[test]
    fn rfc9213_2_2_a_targeted_field_takes_over() {
        let both =
            |cdn: &str| ResponseDirectives::of(&fields(&[("Cache-Control", "no-store"), ("CDN-Cache-Control", cdn)]));
        let read = both("max-age=60, stale-while-revalidate=5");
        assert!(read.targeted && !read.no_store);
        assert_eq!((read.max_age, read.stale_while_revalidate), (Some(60), Some(5)));
        assert_eq!(both("max-age=\"60\"").max_age, Some(0));
        assert_eq!(both("max-age=60;x=y").max_age, Some(60));
        assert_eq!(both("max-age=60, max-age=30").max_age, Some(30));
        assert!(!both("no-store=?0, max-age=1").no_store);
    }

    #[test]
    fn rfc9213_2_1_an_unreadable_targeted_field_is_ignored() {
        for cdn in ["", "max-age=60,", "MAX-AGE=60", "max-age: 60", "max-age=60 s"] {
            let read = ResponseDirectives::of(&fields(&[("Cache-Control", "no-store"), ("CDN-Cache-Control", cdn)]));
            assert!(!read.targeted && read.no_store, "{cdn}");
        }
    }
}
