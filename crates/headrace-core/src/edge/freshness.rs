//! How old a response is and how long it is fresh (RFC 9111, 4.2).
//!
//! Times are whole seconds since 1970, as the fields have them; the clock is the caller's.

use super::{
    directives::{LONGEST, ResponseDirectives, delta_seconds},
    storable::is_heuristic,
};
use crate::http::fields::{Fields, Known};

/// Of the time since its last change, how much a response is taken to stay as it is (RFC 9111, 4.2.2).
const HEURISTIC_SHARE: u64 = 10;
/// The longest time that is guessed, in seconds: a guess that is wrong shall not be so for long.
const HEURISTIC_MOST: u32 = 3600;

/// When a response was asked for and when its head came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub asked: u64,
    pub received: u64,
}

/// How long a response is fresh from when its server made it, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    pub seconds: u32,
    /// Nothing said so: it was guessed.
    pub heuristic: bool,
}

/// RFC 9111, 4.2.1: the first of these that is there.
pub fn lifetime(status: u16, fields: &Fields, directives: &ResponseDirectives, received: u64) -> Lifetime {
    let explicit = directives.s_maxage.or(directives.max_age);
    let explicit = explicit.or_else(|| (!directives.targeted).then(|| expires(fields, received)).flatten());
    match explicit {
        Some(seconds) => Lifetime {
            seconds,
            heuristic: false,
        },
        None => Lifetime {
            seconds: guess(status, fields, directives, received),
            heuristic: true,
        },
    }
}

/// `Expires` less `Date`. A date that is none, such as `0`, is in the past (RFC 9111, 5.3); of several the earliest counts.
fn expires(fields: &Fields, received: u64) -> Option<u32> {
    let values = fields.iter().filter(|field| field.known == Known::Expires);
    let earliest = values.map(|field| seconds_of(field.value).unwrap_or(0)).min()?;
    Some(clamp(earliest.saturating_sub(date(fields, received))))
}

fn guess(status: u16, fields: &Fields, directives: &ResponseDirectives, received: u64) -> u32 {
    let changed = fields.get(b"last-modified").and_then(seconds_of);
    match changed {
        Some(changed) if is_heuristic(status) || directives.public => {
            let unchanged = date(fields, received).saturating_sub(changed);
            clamp(unchanged / HEURISTIC_SHARE).min(HEURISTIC_MOST)
        }
        _ => 0,
    }
}

/// How old a response was when it came (RFC 9111, 4.2.3).
pub fn initial_age(fields: &Fields, times: Times) -> u32 {
    let apparent = times.received.saturating_sub(date(fields, times.received));
    let told = fields.known(Known::Age).map_or(0, age);
    let delay = times.received.saturating_sub(times.asked);
    clamp(apparent.max(u64::from(told) + delay))
}

/// Of a list the first counts, and what is no number is ignored (RFC 9111, 5.1).
fn age(value: &[u8]) -> u32 {
    let first = value.split(|byte| *byte == b',').next().unwrap_or_default();
    delta_seconds(first.trim_ascii()).unwrap_or(0)
}

/// When the response was made; one that does not say so, or not so that it can be understood, when it came
/// (RFC 9110, 6.6.1).
pub fn date(fields: &Fields, received: u64) -> u64 {
    fields.known(Known::Date).and_then(seconds_of).unwrap_or(received)
}

/// An HTTP date, in any of its three forms (RFC 9110, 5.6.7).
pub fn seconds_of(value: &[u8]) -> Option<u64> {
    let time = httpdate::parse_http_date(std::str::from_utf8(value).ok()?.trim()).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

fn clamp(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fields, *};

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const NOW: u64 = 784_111_777;
    const DATE: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");

    fn lives(told: &[(&str, &str)]) -> (u32, bool) {
        let fields = fields(told);
        let read = lifetime(200, &fields, &ResponseDirectives::of(&fields), NOW);
        (read.seconds, read.heuristic)
    }

    #[test]
    fn rfc9111_4_2_1_the_first_that_is_there_counts() {
        let expires = ("Expires", "Sun, 06 Nov 1994 08:50:37 GMT");
        let control = |text| ("Cache-Control", text);
        assert_eq!(lives(&[DATE, expires, control("max-age=5, s-maxage=7")]), (7, false));
        assert_eq!(lives(&[DATE, expires, control("max-age=5")]), (5, false));
        assert_eq!(lives(&[DATE, expires]), (60, false));
        assert_eq!(lives(&[DATE, expires, control("max-age=x")]), (0, false));
        assert_eq!(lives(&[DATE, expires, ("CDN-Cache-Control", "max-age=3")]), (3, false));
        assert_eq!(lives(&[DATE, expires, ("CDN-Cache-Control", "public")]), (0, true));
    }

    #[test]
    fn rfc9111_5_3_invalid_dates_have_passed() {
        for expires in [
            "0",
            "-1",
            "",
            "tomorrow",
            "Sun, 06 Nov 1994 08:50:37 AEST",
            "Sun, 06 Nov 1994 08:48:37 GMT",
        ] {
            assert_eq!(lives(&[DATE, ("Expires", expires)]), (0, false), "{expires}");
        }
        let twice = [DATE, ("Expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("Expires", "0")];
        assert_eq!(lives(&twice), (0, false));
    }

    #[test]
    fn rfc9110_5_6_7_all_forms_of_dates_are_read() {
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(seconds_of(date.as_bytes()), Some(NOW), "{date}");
        }
    }

    #[test]
    fn rfc9110_6_6_1_a_response_without_a_date_was_made_when_it_came() {
        assert_eq!(lives(&[("Expires", "Sun, 06 Nov 1994 08:50:37 GMT")]), (60, false));
        assert_eq!(
            lives(&[("Date", "soon"), ("Expires", "Sun, 06 Nov 1994 08:50:37 GMT")]),
            (60, false)
        );
    }

    #[test]
    fn rfc9111_4_2_2_a_tenth_is_guessed_up_to_a_bound() {
        assert_eq!(lives(&[DATE]), (0, true));
        assert_eq!(
            lives(&[DATE, ("Last-Modified", "Sun, 06 Nov 1994 08:47:57 GMT")]),
            (10, true)
        );
        assert_eq!(
            lives(&[DATE, ("Last-Modified", "Sun, 06 Nov 1988 08:47:57 GMT")]),
            (HEURISTIC_MOST, true)
        );
        assert_eq!(
            lives(&[DATE, ("Last-Modified", "Sun, 06 Nov 1999 08:47:57 GMT")]),
            (0, true)
        );
        let last = fields(&[DATE, ("Last-Modified", "Sun, 06 Nov 1994 08:47:57 GMT")]);
        let found = |directives: &ResponseDirectives| lifetime(302, &last, directives, NOW).seconds;
        assert_eq!(found(&ResponseDirectives::default()), 0);
        let public = ResponseDirectives {
            public: true,
            ..ResponseDirectives::default()
        };
        assert_eq!(found(&public), 10);
    }

    #[test]
    fn rfc9111_4_2_3_age_is_the_larger_of_two_reckonings() {
        let aged = |told: &[(&str, &str)], asked, received| initial_age(&fields(told), Times { asked, received });
        assert_eq!(aged(&[DATE], NOW, NOW), 0);
        assert_eq!(aged(&[DATE], NOW + 4, NOW + 5), 5);
        assert_eq!(aged(&[DATE, ("Age", "30")], NOW + 4, NOW + 6), 32);
        assert_eq!(aged(&[DATE, ("Age", "2")], NOW + 90, NOW + 100), 100);
        // A clock that is behind makes nothing younger.
        assert_eq!(aged(&[DATE, ("Age", "3")], NOW - 50, NOW - 50), 3);
        assert_eq!(aged(&[("Age", "99999999999")], NOW, NOW), LONGEST);
    }

    #[test]
    fn rfc9111_5_1_of_ages_the_first_counts_and_nonsense_none() {
        let told = |value: &str| {
            initial_age(
                &fields(&[DATE, ("Age", value)]),
                Times {
                    asked: NOW,
                    received: NOW,
                },
            )
        };
        for (value, age) in [("7, 9", 7), ("-7", 0), ("7.5", 0), ("seven", 0), ("\"7\"", 0)] {
            assert_eq!(told(value), age, "{value}");
        }
    }
}
