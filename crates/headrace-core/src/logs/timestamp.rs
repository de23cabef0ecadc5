//! When something was logged, read from what its writer says: RFC 3339, or a number since 1970.
//!
//! A number's unit follows from its magnitude: 100 thousand million seconds are the year 5138, and as milliseconds they
//! are 1973. What is too far away to be counted in nanoseconds (before 1677, after 2262) is a time all the same.

use crate::calendar::{Moment, SECOND};

/// From here on a number counts thousandths of what it did below: seconds, milliseconds, microseconds, nanoseconds.
const NEXT_UNIT: [u128; 3] = [100_000_000_000, 100_000_000_000_000, 100_000_000_000_000_000];
/// More digits than any time has.
const MAX_DIGITS: usize = 30;

/// What a writer said of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nanoseconds since 1970.
    At(i64),
    /// Before or after all that can be counted.
    Beyond,
}

impl Told {
    fn counted(time: Option<i64>) -> Self {
        time.map_or(Self::Beyond, Self::At)
    }
}

/// Reads times that come together: mostly they share their second, which is then worked out once.
#[derive(Debug, Default)]
pub struct Clock {
    /// The date and time of day that were read last, and the nanoseconds since 1970 at which that second began.
    latest: Option<(DateTime, i64)>,
}

type DateTime = [u8; 19];

impl Clock {
    /// As [`read`] does.
    pub fn read(&mut self, text: &str) -> Option<Told> {
        let Some((second, fraction)) = in_utc(text.as_bytes()) else {
            return read(text);
        };
        if let Some((latest, began)) = &self.latest
            && latest == second
            && let Some(time) = began.checked_add(fraction)
        {
            return Some(Told::At(time));
        }
        let told = read(text);
        if let Some(Told::At(time)) = told {
            self.latest = time.checked_sub(fraction).map(|began| (*second, began));
        }
        told
    }
}

/// Date and time of day, and the nanoseconds behind them, of a time in UTC as programs write it.
fn in_utc(text: &[u8]) -> Option<(&DateTime, i64)> {
    let (second, rest) = text.split_first_chunk()?;
    let fraction = rest.strip_suffix(b"Z").or_else(|| rest.strip_suffix(b"+00:00"))?;
    let nanos = match fraction {
        [] => 0,
        [b'.', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => part(digits, 9),
        _ => return None,
    };
    (second[4] == b'-').then_some((second, nanos.cast_signed()))
}

/// Reads a time; none where the text is none.
///
/// `2026-11-23T12:00:00.5+01:00`, with a space or a small `t` as well, a fraction of any length after a point or a comma,
/// `Z`, an offset with or without colon, or none, which means UTC; or a number.
pub fn read(text: &str) -> Option<Told> {
    let text = text.trim_ascii();
    match text.as_bytes().get(4) {
        Some(b'-') => read_date(text.as_bytes()),
        _ => read_number(text),
    }
}

/// Reads `1774000000`, `1774000000.123456789`, `1774000000123`, with a sign or an exponent as JSON has it.
pub fn read_number(text: &str) -> Option<Told> {
    if let Some(told) = read_plain_number(text.as_bytes()) {
        return Some(told);
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || digits.ends_with('.') {
        return read_float(text);
    }
    if whole.trim_start_matches('0').len() > MAX_DIGITS {
        return Some(Told::Beyond);
    }
    let number: u128 = whole.trim_start_matches('0').parse().unwrap_or(0);
    let unit = NEXT_UNIT.iter().filter(|next| number >= **next).count() as u32;
    let nanos = 10u128.pow(9 - 3 * unit);
    let nanos = number
        .checked_mul(nanos)
        .map(|nanos| nanos + u128::from(part(fraction.as_bytes(), 9 - 3 * unit)));
    let nanos = nanos.and_then(|nanos| i128::try_from(nanos).ok());
    let nanos = nanos.map(|nanos| if negative { -nanos } else { nanos });
    Some(Told::counted(nanos.and_then(|nanos| i64::try_from(nanos).ok())))
}

/// Nothing but digits, as many as nanoseconds since 1970 have for some centuries, or less.
fn read_plain_number(digits: &[u8]) -> Option<Told> {
    let digit = |number: u64, digit: &u8| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'));
    let known = (1..=19).contains(&digits.len());
    let number: u64 = known.then(|| digits.iter().try_fold(0, digit)).flatten()?;
    let unit = NEXT_UNIT.iter().filter(|next| u128::from(number) >= **next).count() as u32;
    let nanos = number.checked_mul(10u64.pow(9 - 3 * unit));
    Some(Told::counted(nanos.and_then(|nanos| i64::try_from(nanos).ok())))
}

/// The first `places` digits of a fraction, as a number of that many digits; nine at most.
fn part(digits: &[u8], places: u32) -> u64 {
    let known = &digits[..digits.len().min(places as usize)];
    let number = known.iter().fold(0, |part, digit| part * 10 + u64::from(digit - b'0'));
    number * 10u64.pow(places - known.len() as u32)
}

/// Numbers with an exponent: seldom, and as exact as a float is.
fn read_float(text: &str) -> Option<Told> {
    let known = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let numeric = text.contains(['e', 'E']) && text.bytes().all(known);
    let number: f64 = numeric.then(|| text.parse().ok()).flatten()?;
    if number.abs() >= 1e30 {
        return Some(Told::Beyond);
    }
    // Written out it has no exponent.
    read_number(&format!("{number:.9}"))
}

fn read_date(text: &[u8]) -> Option<Told> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let dividers = [head[4], head[7], head[13], head[16]];
    if dividers != *b"--::" || !matches!(head[10], b'T' | b't' | b' ' | b'_') {
        return None;
    }
    let (fraction, offset) = split_fraction(rest)?;
    let second = number(&head[17..19])?;
    let moment = Moment {
        year: i64::from(number(&head[..4])?),
        month: number(&head[5..7])?,
        day: number(&head[8..10])?,
        hour: number(&head[11..13])?,
        minute: number(&head[14..16])?,
        // A leap second is as long as the one before it goes on, as Unix time has none.
        second: if second == 60 { 59 } else { second },
        nanos: part(fraction, 9) as u32,
    };
    let offset = read_offset(offset)? * 60 * SECOND;
    if let Some(time) = moment.time() {
        return Some(Told::counted(time.checked_sub(offset)));
    }
    // Days are the same every 400 years: in some year it can be counted, if it is one.
    let year = 1800 + (moment.year + 200) % 400;
    Moment { year, ..moment }.time().map(|_| Told::Beyond)
}

fn split_fraction(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(digits) = rest.strip_prefix(b".").or_else(|| rest.strip_prefix(b",")) else {
        return Some((b"", rest));
    };
    let end = digits
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(digits.len());
    (end > 0).then(|| digits.split_at(end))
}

/// Minutes east of UTC.
fn read_offset(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.trim_ascii_start() {
        b"" | b"Z" | b"z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [_, _] => (digits, &b"00"[..]),
        [_, _, b':', _, _] => (&digits[..2], &digits[3..]),
        [_, _, _, _] => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 60 + minutes))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOME: i64 = 1_774_000_000 * SECOND; // 2026-03-20 09:46:40 UTC

    #[test]
    fn dates_are_read_as_rfc_3339_and_people_write_them() {
        for (text, time) in [
            ("2026-03-20T09:46:40Z", SOME),
            ("2026-03-20t09:46:40z", SOME),
            ("2026-03-20 09:46:40", SOME),
            (" 2026-03-20 09:46:40 +00:00 ", SOME),
            ("2026-03-20T10:46:40+01:00", SOME),
            ("2026-03-20T10:46:40+0100", SOME),
            ("2026-03-20T10:46:40+01", SOME),
            ("2026-03-20T04:16:40-05:30", SOME),
            ("2026-03-20T09:46:40.5Z", SOME + SECOND / 2),
            ("2026-03-20 09:46:40,123", SOME + 123_000_000),
            ("2026-03-20T09:46:40.1234567899999Z", SOME + 123_456_789),
            ("1970-01-01T00:00:00-00:00", 0),
            ("1969-12-31T23:59:59.999999999Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_799 * SECOND),
            ("2000-02-29T00:00:00Z", 951_782_400 * SECOND),
        ] {
            assert_eq!(read(text), Some(Told::At(time)), "{text}");
        }
    }

    #[test]
    fn numbers_tell_their_unit() {
        for (text, time) in [
            ("1774000000", SOME),
            ("1774000000.0", SOME),
            ("1774000000.123456789", SOME + 123_456_789),
            ("1774000000000", SOME),
            ("1774000000000.25", SOME + 250_000),
            ("1774000000000000", SOME),
            ("1774000000000000.5", SOME + 500),
            ("1774000000000000000", SOME),
            ("1774000000000000001", SOME + 1),
            ("1.774e9", SOME),
            ("0", 0),
            ("-0", 0),
            ("-1.5", -3 * SECOND / 2),
            ("00001774000000", SOME),
        ] {
            assert_eq!(read(text), Some(Told::At(time)), "{text}");
        }
    }

    #[test]
    fn times_that_cannot_be_counted_are_times() {
        for text in [
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "1600-02-29T00:00:00Z",
            "99999999999",
            "99999999999999999999",
            "1e300",
            "-1e25",
        ] {
            assert_eq!(read(text), Some(Told::Beyond), "{text}");
        }
        assert_eq!(read(&"9".repeat(1_000_000)), Some(Told::Beyond));
        assert_eq!(
            read(&format!("{}.5", "0".repeat(1_000_000))),
            Some(Told::At(SECOND / 2))
        );
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "NaN",
            "inf",
            "1.",
            ".",
            "-",
            "+5",
            "0x10",
            "1_000",
            "2026-03-20",
            "2026-03-20T09:46",
            "2026-03-20T09:46:40.Z",
            "2026-03-20T09:46:40+1",
            "2026-03-20T09:46:40+24:00",
            "2026-03-20T09:46:40+01:60",
            "2026-03-20T09:46:40 CET",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "0000-00-00T00:00:00Z",
            "2026-03-20T24:00:00Z",
            "2026-03-20T09:46:61Z",
            "2026-03-20T09:46:4\u{663}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_read_from_any_way_to_write_it(time in any::<i64>(), minutes in -1439i64..=1439) {
            let local = Moment::of(time.saturating_add(minutes * 60 * SECOND));
            let Moment { year, month, day, hour, minute, second, nanos } = local;
            let (sign, east) = if minutes < 0 { ('-', -minutes) } else { ('+', minutes) };
            let text = format!(
                "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}{sign}{:02}:{:02}", east / 60, east % 60
            );
            if time.checked_add(minutes * 60 * SECOND).is_some() {
                prop_assert_eq!(read(&text), Some(Told::At(time)), "{}", text);
            }
        }

        #[test]
        fn times_that_come_together_are_read_as_each_for_itself(
            texts in prop::collection::vec(
                r"(2026-03-20T09:46:4[0-9]|[0-9]{19}|2016-12-31 23:59:60|1677-09-21T00:12:4[0-9]|9999-01-01T00:00:00| {4}-.{14})([.,][0-9]{0,12})?(Z|z|\+00:00|\+01:00|)",
                1..20
            )
        ) {
            let mut clock = Clock::default();
            for text in texts.iter().chain(&texts) {
                prop_assert_eq!(clock.read(text), read(text), "{}", text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), near in "[-+0-9TZ:., eE]{0,40}") {
            let _ = (read(&text), read(&near), read_number(&near));
        }
    }
}
