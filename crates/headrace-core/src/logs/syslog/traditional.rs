//! Messages of RFC 3164, as far as there is a form: `<34>Nov 23 12:00:00 web1 su[812]: message`.
//!
//! The RFC tells what was seen in the wild, and the wild went on: the time may be RFC 3339, the host may be left out before a
//! tag, the tag before a message. Without a time nothing of it is a header.

use super::json;
use crate::{
    calendar::{Moment, SECOND},
    logs::timestamp::{Clock, Told},
};

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// Bytes of a time without year: `Nov 23 12:00:00`.
const DATED: usize = 15;

/// A message behind its priority.
pub(super) struct Traditional<'a> {
    pub(super) time: Told,
    pub(super) said: &'a str,
    pub(super) source: &'a str,
    pub(super) message: &'a str,
}

/// Where and when such times are read: they have no zone and no year.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here {
    /// Nanoseconds since 1970.
    pub(super) now: i64,
    /// Nanoseconds that the clocks here are ahead of UTC.
    pub(super) offset: i64,
}

/// Reads a message, and adds host and process to `fields`; none where it has no header.
pub(super) fn read<'a>(text: &'a str, here: Here, clock: &mut Clock, fields: &mut String) -> Option<Traditional<'a>> {
    let (time, said, rest) = when(text, here, clock)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let (host, tagged) = match tag(rest) {
        Some(tagged) => (None, Some(tagged)),
        None => match rest.split_once(' ') {
            Some((host, behind)) if !host.is_empty() => (Some((host, behind)), tag(behind)),
            _ => (None, None),
        },
    };
    if let Some((host, _)) = host {
        json::push_text(fields, "hostname", host);
    }
    let untagged = Tag {
        name: "",
        process: "",
        rest: host.map_or(rest, |(_, behind)| behind),
    };
    let tag = tagged.unwrap_or(untagged);
    if !tag.process.is_empty() {
        json::push_text(fields, "procid", tag.process);
    }
    Some(Traditional {
        time,
        said,
        source: tag.name,
        message: tag.rest,
    })
}

/// The time that a message begins with, as it stands there, and what follows it.
fn when<'a>(text: &'a str, here: Here, clock: &mut Clock) -> Option<(Told, &'a str, &'a str)> {
    if text.as_bytes().get(4) == Some(&b'-') {
        let end = text.find(' ').unwrap_or(text.len());
        let (said, rest) = text.split_at(end);
        return Some((clock.read(said)?, said, rest));
    }
    let time = yearless(text.as_bytes().first_chunk()?, here)?;
    let behind = &text[DATED..];
    let digits = |fraction: &str| fraction.bytes().take_while(u8::is_ascii_digit).count();
    let fraction = behind.strip_prefix('.').map_or(0, digits);
    let end = if fraction > 0 { DATED + 1 + fraction } else { DATED };
    let (said, rest) = text.split_at(end);
    let nanos = said[DATED..]
        .bytes()
        .skip(1)
        .take(9)
        .fold((0, SECOND / 10), |(sum, unit), digit| {
            (sum + i64::from(digit - b'0') * unit, unit / 10)
        });
    // Routers put a colon behind it.
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let told = Told::At(time.saturating_add(nanos.0));
    (rest.is_empty() || rest.starts_with(' ')).then_some((told, said, rest))
}

/// Nanoseconds since 1970 of `Nov 23 12:00:00`, in the year in which it is nearest to now.
fn yearless(text: &[u8; DATED], here: Here) -> Option<i64> {
    let [name @ .., b' ', d1, d2, b' ', h1, h2, b':', m1, m2, b':', s1, s2] = text else {
        return None;
    };
    let month = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    let local = here.now.saturating_add(here.offset);
    let read = Moment {
        year: 0,
        month: month as u32 + 1,
        // Days below ten stand behind a space, though some write a zero.
        day: number([if *d1 == b' ' { b'0' } else { *d1 }, *d2])?,
        hour: number([*h1, *h2])?,
        minute: number([*m1, *m2])?,
        second: number([*s1, *s2])?.min(59),
        nanos: 0,
    };
    let year = Moment::of(local).year;
    // The leap day is in few of these.
    let times = (year - 4..=year + 4).filter_map(|year| Moment { year, ..read }.time());
    let nearest = times.min_by_key(|time| time.abs_diff(local))?;
    nearest.checked_sub(here.offset)
}

fn number([tens, ones]: [u8; 2]) -> Option<u32> {
    let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    digits.then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}

struct Tag<'a> {
    name: &'a str,
    process: &'a str,
    rest: &'a str,
}

/// `su:`, `su[812]:` or `su[812]`, and what follows it.
fn tag(text: &str) -> Option<Tag<'_>> {
    let word = text.split(' ').next()?;
    if let Some((name, behind)) = word.split_once('[')
        && let Some(length) = behind.find(']')
        && !name.is_empty()
    {
        let rest = &text[name.len() + length + 2..];
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        return Some(Tag {
            name,
            process: &behind[..length],
            rest: rest.strip_prefix(' ').unwrap_or(rest),
        });
    }
    let name = word.strip_suffix(':').filter(|name| !name.is_empty())?;
    let rest = &text[word.len()..];
    Some(Tag {
        name,
        process: "",
        rest: rest.strip_prefix(' ').unwrap_or(rest),
    })
}
