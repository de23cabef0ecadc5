//! The entries of one body, or of what a stream brought: those that are taken, encoded one behind the other, and what is wrong with the others.

use std::{borrow::Cow, cell::RefCell, time::Duration};

use serde_json::value::RawValue;

use super::{
    entry::{Entry, Mark},
    level,
    timestamp::Told,
};
use crate::{
    calendar::{SECOND, now},
    intake::unescape,
};

/// How many of those that are refused are told about.
const MOST_ERRORS: usize = 100;

/// The moment a body is read at.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Nanoseconds since 1970.
    pub now: i64,
    /// How far ahead of it an entry's time may lie.
    pub max_ahead: i64,
}

/// What is wrong with an entry.
pub type Wrong = Cow<'static, str>;

/// An entry as its form tells it.
#[derive(Debug, Default)]
pub struct Draft<'a> {
    pub time: Option<Told>,
    /// The time as it was told: a JSON value, or a text without quotes.
    pub said: &'a str,
    pub level: Cow<'a, str>,
    pub source: Cow<'a, str>,
    pub message: Cow<'a, str>,
    /// The members of a JSON object, without its braces.
    pub fields: String,
}

#[derive(Debug)]
pub struct Batch {
    arrival: Arrival,
    encoded: Vec<u8>,
    /// Where each taken entry ends in `encoded`.
    ends: Vec<usize>,
    refused: usize,
    errors: Vec<(usize, Wrong)>,
}

impl Batch {
    pub fn new(arrival: Arrival) -> Self {
        Self {
            arrival,
            encoded: Vec::new(),
            ends: Vec::new(),
            refused: 0,
            errors: Vec::new(),
        }
    }

    /// Has room for the entries of a body of so many bytes.
    pub fn expect(&mut self, bytes: usize) {
        self.encoded.reserve(bytes);
    }

    /// Forgets all that was added, but not the memory that it took.
    pub fn clear(&mut self) {
        self.encoded.clear();
        self.ends.clear();
        self.refused = 0;
        self.errors.clear();
    }

    /// Begins anew with another body.
    pub fn begin(&mut self, arrival: Arrival) {
        self.clear();
        self.arrival = arrival;
    }

    /// The moment that the entries are judged by, in nanoseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.arrival.now
    }

    /// How many bytes of memory the entries have.
    pub fn capacity(&self) -> usize {
        self.encoded.capacity()
    }

    /// Adds an entry, or what is wrong with it.
    pub fn add(&mut self, draft: Result<Draft<'_>, Wrong>) {
        match draft {
            Ok(draft) => self.take(draft),
            Err(wrong) => {
                if self.errors.len() < MOST_ERRORS {
                    self.errors.push((self.ends.len() + self.refused, wrong));
                }
                self.refused += 1;
            }
        }
    }

    fn take(&mut self, mut draft: Draft<'_>) {
        let (time, mark) = self.arrival.judge(draft.time);
        if mark == Mark::Clamped {
            push_field(&mut draft.fields, "\"timestamp\"", &as_json(draft.said));
        }
        if !draft.fields.is_empty() {
            draft.fields.insert(0, '{');
            draft.fields.push('}');
        }
        let entry = Entry {
            time,
            mark,
            level: &draft.level,
            source: &draft.source,
            message: &draft.message,
            fields: &draft.fields,
        };
        entry.encode(&mut self.encoded);
        self.ends.push(self.encoded.len());
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.refused == 0
    }

    /// How many are taken.
    pub fn accepted(&self) -> usize {
        self.ends.len()
    }

    pub fn refused(&self) -> usize {
        self.refused
    }

    /// The first of those that are refused: the place of each in the body, from 0 on, and why.
    pub fn errors(&self) -> &[(usize, Wrong)] {
        &self.errors
    }

    /// The taken ones, encoded.
    pub fn entries(&self) -> Vec<&[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let spans = starts.zip(&self.ends);
        spans.map(|(start, &end)| &self.encoded[start..end]).collect()
    }
}

/// Batches of one thread, which begin with the memory of those before: what is asked for anew has to be cleared by the kernel
/// first.
#[derive(Debug)]
pub(super) struct Batches {
    max_ahead: Duration,
    spare: RefCell<Vec<Batch>>,
}

/// How many keep their memory, and how much one may have: 4 MiB in all.
const MOST_SPARE: usize = 16;
const SPARE_BYTES: usize = 256 << 10;

impl Batches {
    pub(super) fn new(max_ahead: Duration) -> Self {
        Self {
            max_ahead,
            spare: RefCell::default(),
        }
    }

    /// One for what has just come.
    pub(super) fn begin(&self) -> Batch {
        let arrival = Arrival::new(now(), self.max_ahead);
        let Some(mut batch) = self.spare.borrow_mut().pop() else {
            return Batch::new(arrival);
        };
        batch.begin(arrival);
        batch
    }

    pub(super) fn keep(&self, batch: Batch) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < MOST_SPARE && batch.capacity() <= SPARE_BYTES {
            spare.push(batch);
        }
    }
}

impl Arrival {
    pub fn new(now: i64, max_ahead: Duration) -> Self {
        let max_ahead = max_ahead.as_nanos().min(i64::MAX as u128) as i64;
        Self { now, max_ahead }
    }

    /// The time that an entry has from now on. What cannot be counted, or lies ahead of all clocks, is that of the
    /// arrival.
    fn judge(&self, told: Option<Told>) -> (i64, Mark) {
        match told {
            None => (self.now, Mark::Undated),
            Some(Told::At(time)) if time <= self.now.saturating_add(self.max_ahead) => (time, Mark::None),
            Some(_) => (self.now, Mark::Clamped),
        }
    }
}

/// What is JSON as it stands, and quoted what is not.
fn as_json(said: &str) -> Cow<'_, str> {
    match serde_json::from_str::<&RawValue>(said) {
        Ok(_) => said.into(),
        Err(_) => serde_json::Value::from(said).to_string().into(),
    }
}

/// Adds a member to those of an object; `name` is quoted, both are JSON.
pub fn push_field(fields: &mut String, name: &str, value: &str) {
    // And for what may still come: braces, a comma.
    fields.reserve(name.len() + value.len() + 4);
    if !fields.is_empty() {
        fields.push(',');
    }
    fields.push_str(name);
    fields.push(':');
    fields.push_str(value);
}

/// A JSON value as text: what a string says, any other value as it stands; `null` is nothing.
pub fn text(value: &str) -> Cow<'_, str> {
    match value.as_bytes() {
        [b'"', .., b'"'] => unescape(&value[1..value.len() - 1]),
        b"null" => "".into(),
        _ => value.into(),
    }
}

/// The level that is meant by a name or a number, of syslog or of Python; unknown ones stay as they came.
pub fn level_of(text: Cow<'_, str>) -> Cow<'_, str> {
    let numbered = || text.parse().ok().and_then(level::numbered);
    match level::named(&text).or_else(numbered) {
        Some(name) => name.into(),
        None => text,
    }
}

/// Ten seconds: clocks of machines that are kept in time at all lie closer together.
pub const MAX_AHEAD: Duration = Duration::from_nanos(10 * SECOND as u64);

#[cfg(test)]
impl Batch {
    /// Time, level, source, message and fields of each entry as one text, then what is wrong with the others.
    pub(super) fn told(&self) -> Vec<String> {
        let entries = self.entries().into_iter().filter_map(Entry::decode);
        let texts = entries.map(|entry| {
            format!(
                "{};{};{};{};{}",
                entry.time, entry.level, entry.source, entry.message, entry.fields
            )
        });
        let errors = self.errors.iter().map(|(place, why)| format!("{place}: {why}"));
        texts.chain(errors).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_774_000_000 * SECOND;

    fn taken(time: Option<Told>) -> (i64, Mark, String) {
        let mut batch = Batch::new(Arrival::new(NOW, MAX_AHEAD));
        batch.add(Ok(Draft {
            time,
            said: "\"later\"",
            ..Draft::default()
        }));
        let entry = batch.entries().first().and_then(|bytes| Entry::decode(bytes));
        entry.map_or_else(Default::default, |entry| {
            (entry.time, entry.mark, entry.fields.to_owned())
        })
    }

    #[test]
    fn a_time_that_cannot_be_is_that_of_the_arrival_and_what_was_said_is_kept() {
        let kept = r#"{"timestamp":"later"}"#.to_owned();
        let clamped = (NOW, Mark::Clamped, kept);
        assert_eq!(taken(Some(Told::At(NOW + 10 * SECOND + 1))), clamped);
        assert_eq!(taken(Some(Told::Beyond)), clamped);
        assert_eq!(taken(Some(Told::At(i64::MAX))), clamped);
        assert_eq!(taken(None), (NOW, Mark::Undated, String::new()));
        for time in [NOW + 10 * SECOND, NOW, 0, i64::MIN] {
            assert_eq!(taken(Some(Told::At(time))), (time, Mark::None, String::new()));
        }
    }

    #[test]
    fn errors_tell_the_place_and_only_the_first_are_told() {
        let mut batch = Batch::new(Arrival::new(NOW, MAX_AHEAD));
        for _ in 0..200 {
            batch.add(Ok(Draft::default()));
            batch.add(Err("bad".into()));
        }
        assert_eq!((batch.accepted(), batch.refused()), (200, 200));
        let places: Vec<_> = batch.errors().iter().map(|(place, _)| *place).collect();
        assert_eq!(places, (0..100).map(|n| 2 * n + 1).collect::<Vec<_>>());
        assert_eq!(batch.entries().len(), 200);
    }
}
