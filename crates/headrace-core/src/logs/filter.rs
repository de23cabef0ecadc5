//! What is asked of an entry, and a quick look at lines for what cannot be missing where it holds.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2_iter, memmem};

use super::{entry::Entry, level::severity};

const SECOND: i64 = 1_000_000_000;

/// Which entries are wanted. The default wants all.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Nanoseconds since 1970, inclusive.
    pub since: i64,
    /// Exclusive.
    pub until: i64,
    /// At least this level; exactly this one where its rank is not known.
    pub level: Option<String>,
    pub source: Option<String>,
    /// Part of the message or of the further fields as they are written.
    pub text: Option<Text>,
    pub request_id: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Text {
    sought: String,
    any_case: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            since: i64::MIN,
            until: i64::MAX,
            level: None,
            source: None,
            text: None,
            request_id: None,
        }
    }
}

impl Filter {
    pub fn wants(&self, entry: &Entry<'_>) -> bool {
        self.wants_time(entry.time)
            && self.level.as_ref().is_none_or(|least| is_at_least(entry.level, least))
            && self.source.as_ref().is_none_or(|source| source == entry.source)
            && self
                .text
                .as_ref()
                .is_none_or(|text| text.is_in(entry.message) || text.is_in(entry.fields))
            && self
                .request_id
                .as_ref()
                .is_none_or(|id| has_request_id(entry.fields, id))
    }

    /// Lines are often written to the second: such an entry may be of any moment in it.
    pub fn wants_time(&self, time: i64) -> bool {
        time < self.until && (time >= self.since || time == self.earliest())
    }

    /// No entry that was before is wanted.
    pub fn earliest(&self) -> i64 {
        self.since.saturating_sub(self.since.rem_euclid(SECOND))
    }

    /// What every line of a wanted entry has in it; the longest there is.
    pub fn needle(&self) -> Needle {
        let text = self
            .text
            .as_ref()
            .map(|text| (plain_run(&text.sought, text.any_case), text.any_case));
        let id = self.request_id.as_ref().map(|id| (plain_run(id, false), false));
        let longest = text.into_iter().chain(id).max_by_key(|(run, _)| run.len());
        match longest {
            Some((run, any_case)) if !run.is_empty() => Needle::new(run, any_case),
            _ => Needle::None,
        }
    }
}

impl Text {
    pub fn new(sought: &str, any_case: bool) -> Self {
        let sought = if any_case {
            sought.to_lowercase()
        } else {
            sought.to_owned()
        };
        Self { sought, any_case }
    }

    fn is_in(&self, text: &str) -> bool {
        let text = if self.any_case {
            Cow::from(text.to_lowercase())
        } else {
            Cow::from(text)
        };
        memmem::find(text.as_bytes(), self.sought.as_bytes()).is_some()
    }
}

/// Whether a level is at least `least`; where one of them has no rank, whether it is the same.
fn is_at_least(level: &str, least: &str) -> bool {
    match (severity(level), severity(least)) {
        (Some(level), Some(least)) => level >= least,
        _ => level.eq_ignore_ascii_case(least),
    }
}

/// Whether one of the fields is called `request_id`, `requestId`, `Request-Id` or the like, and says `id`.
fn has_request_id(fields: &str, id: &str) -> bool {
    let Ok(fields) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(fields) else {
        return false;
    };
    fields.iter().any(|(name, value)| {
        let name = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase());
        let said = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        name.eq("requestid".chars()) && said() == id
    })
}

/// The longest part that looks the same in every line format, whatever is escaped there.
fn plain_run(text: &str, any_case: bool) -> &str {
    let mut runs = text.split(|letter: char| match letter {
        // Two letters beyond ASCII become these in lower case.
        'i' | 'k' => any_case,
        _ => !letter.is_ascii_alphanumeric(),
    });
    let first = runs.next().unwrap_or_default();
    runs.fold(
        first,
        |longest, run| if run.len() > longest.len() { run } else { longest },
    )
}

/// Finds where a line may be that is worth reading.
pub enum Needle {
    /// Anywhere.
    None,
    Exact(Box<memmem::Finder<'static>>),
    /// ASCII, in lower case.
    AnyCase(Vec<u8>),
}

impl Needle {
    fn new(run: &str, any_case: bool) -> Self {
        match any_case {
            true => Self::AnyCase(run.to_ascii_lowercase().into_bytes()),
            false => Self::Exact(Box::new(memmem::Finder::new(run).into_owned())),
        }
    }

    /// The spans of the lines in `lines` that may be wanted, without their ends. Every line there has its end.
    pub fn spans(&self, lines: &[u8]) -> Vec<(usize, usize)> {
        let mut spans = Vec::new();
        match self {
            Self::None => {
                let mut start = 0;
                for end in memchr_iter(b'\n', lines) {
                    spans.push((start, end));
                    start = end + 1;
                }
            }
            Self::Exact(finder) => mark(lines, finder.find_iter(lines), &mut spans),
            Self::AnyCase(run) => {
                let upper = run[0].to_ascii_uppercase();
                let starts = memchr2_iter(run[0], upper, lines).filter(|&at| {
                    lines
                        .get(at..at + run.len())
                        .is_some_and(|found| found.eq_ignore_ascii_case(run))
                });
                mark(lines, starts, &mut spans);
            }
        }
        spans
    }
}

/// The lines around the places that were found.
fn mark(lines: &[u8], found: impl Iterator<Item = usize>, spans: &mut Vec<(usize, usize)>) {
    let mut done = 0;
    for at in found {
        if at >= done {
            let start = memchr::memrchr(b'\n', &lines[done..at]).map_or(done, |end| done + end + 1);
            let end = memchr::memchr(b'\n', &lines[at..]).map_or(lines.len(), |end| at + end);
            spans.push((start, end));
            done = end + 1;
        }
    }
}
