//! What the query of a request's target asks for: `since=1h&level=ERROR&text=timed+out`.

use std::{borrow::Cow, time::Duration};

use super::{
    filter::{Filter, Text},
    search::{Cursor, Order, Query},
    timestamp::{self, Told},
};
use crate::service;

/// Most entries that a page may have.
const MAX_LIMIT: usize = 10_000;

/// Most lines from before that a follower gets.
const MAX_LAST: usize = 10_000;

/// The names of parameters, for whoever uses another one.
const SEARCH: &str = "since, until, level, source, text, i, request_id, order, limit and cursor";
const TAIL: &str = "level, source, text, i, request_id and last";

/// Reads what is searched for. `now` is nanoseconds since 1970. Where it makes no sense: why, in words.
pub(super) fn search(target: &[u8], now: i64) -> Result<Query, String> {
    let mut query = Query::default();
    let rest = filtered(&mut query.filter, target)?;
    for (name, value) in rest {
        match name.as_str() {
            "since" => query.filter.since = moment(&name, &value, now)?,
            "until" => query.filter.until = moment(&name, &value, now)?,
            "order" => query.order = order(&value)?,
            "limit" => query.limit = Some(count(&name, &value, 1, MAX_LIMIT)?),
            "cursor" => query.after = Some(cursor(&value)?),
            _ => return Err(unknown(&name, SEARCH)),
        }
    }
    Ok(query)
}

/// Reads what is followed: which entries, and how many from before.
pub(super) fn tail(target: &[u8]) -> Result<(Filter, usize), String> {
    let (mut filter, mut last) = (Filter::default(), 0);
    for (name, value) in filtered(&mut filter, target)? {
        match name.as_str() {
            "last" => last = count(&name, &value, 0, MAX_LAST)?,
            _ => return Err(unknown(&name, TAIL)),
        }
    }
    Ok((filter, last))
}

/// Takes what both understand; the others are returned.
fn filtered(filter: &mut Filter, target: &[u8]) -> Result<Vec<(String, String)>, String> {
    let (mut text, mut any_case, mut rest) = (None, false, Vec::new());
    for (name, value) in pairs(target)? {
        match name.as_str() {
            _ if value.is_empty() => {}
            "level" => filter.level = Some(value),
            "source" => filter.source = Some(value),
            "text" => text = Some(value),
            "i" => any_case = switch(&name, &value)?,
            "request_id" => filter.request_id = Some(value),
            _ => rest.push((name, value)),
        }
    }
    filter.text = text.map(|text| Text::new(&text, any_case));
    Ok(rest)
}

/// Names and values of a target's query, as text.
fn pairs(target: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = |bytes: Cow<'_, [u8]>| String::from_utf8(bytes.into_owned()).map_err(|_| "a parameter is not UTF-8");
    let read = service::pairs(target).map(|pair| pair.and_then(|(name, value)| Ok((text(name)?, text(value)?))));
    read.collect::<Result<_, _>>().map_err(str::to_owned)
}

/// A time, or how long ago: `2026-11-23T12:00:00Z`, `1774000000`, `90s`, `5m`, `1h`, `2d`.
fn moment(name: &str, value: &str, now: i64) -> Result<i64, String> {
    if let Some(ago) = duration(value) {
        return Ok(now.saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX)));
    }
    match timestamp::read(value) {
        Some(Told::At(time)) => Ok(time),
        _ => Err(format!(
            "{name} is a time such as 2026-11-23T12:00:00Z or 1774000000, or how long ago such as 90s, 5m, 1h or 2d, not {value:?}"
        )),
    }
}

fn duration(value: &str) -> Option<Duration> {
    let unit = value.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = value.strip_suffix(unit)?.parse().ok()?;
    Some(Duration::from_secs(number.saturating_mul(seconds)))
}

fn order(value: &str) -> Result<Order, String> {
    match value {
        "asc" => Ok(Order::OldestFirst),
        "desc" => Ok(Order::NewestFirst),
        _ => Err(format!("order is asc or desc, not {value:?}")),
    }
}

fn count(name: &str, value: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{name} is a number from {least} to {most}, not {value:?}"))
}

fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("{name} is 1 or 0, not {value:?}")),
    }
}

fn cursor(value: &str) -> Result<Cursor, String> {
    Cursor::parse(value).ok_or_else(|| format!("cursor is what `next` of an answer said, not {value:?}"))
}

fn unknown(name: &str, known: &str) -> String {
    format!("there is no parameter {name:?}; there are {known}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::SECOND;

    const NOW: i64 = 1_774_000_000 * SECOND;

    #[test]
    fn a_query_says_what_is_searched_for() {
        let target = b"/search?since=5m&until=2026-03-20T09:46:40Z&level=ERROR&source=load+balancer\
            &text=timed%20out&i=1&request_id=7&order=desc&limit=10&cursor=a-b-c";
        let query = search(target, NOW).unwrap();
        assert_eq!(query.filter.since, NOW - 300 * SECOND);
        assert_eq!(query.filter.until, NOW);
        assert_eq!(query.filter.level.as_deref(), Some("ERROR"));
        assert_eq!(query.filter.source.as_deref(), Some("load balancer"));
        assert!(query.filter.text.is_some());
        assert_eq!(query.filter.request_id.as_deref(), Some("7"));
        assert_eq!((query.order, query.limit), (Order::NewestFirst, Some(10)));
        assert_eq!(query.after.map(|cursor| cursor.to_string()).as_deref(), Some("a-b-c"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (query, reason) in [
            ("since=soon", "since is a time"),
            ("until=5w", "until is a time"),
            ("limit=0", "limit is a number from 1 to 10000"),
            ("limit=many", "limit is a number"),
            ("order=up", "order is asc or desc"),
            ("i=maybe", "i is 1 or 0"),
            ("cursor=1", "cursor is what `next`"),
            ("cursor=1-fffffffff-1", "cursor is what `next`"),
            ("text=%zz", "two hexadecimal digits"),
            ("text=%ff", "not UTF-8"),
            ("last=5", "there is no parameter \"last\""),
        ] {
            let error = search(format!("/search?{query}").as_bytes(), NOW).unwrap_err();
            assert!(error.contains(reason), "{query}: {error}");
        }
    }

    #[test]
    fn whoever_follows_may_ask_for_some_lines_from_before() {
        let (filter, last) = tail(b"/tail?last=20&level=warn&text=").unwrap();
        assert_eq!((filter.level.as_deref(), last), (Some("warn"), 20));
        assert!(filter.text.is_none());
        assert!(tail(b"/tail?since=1h").unwrap_err().contains("there is no parameter"));
        assert!(tail(b"/tail").is_ok());
    }
}
