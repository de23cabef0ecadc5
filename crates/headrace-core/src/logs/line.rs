//! Entries as lines of a file, and lines as entries again. No entry can pass for two, or for another one.
//!
//! Two forms, by one setting: a *template* such as `{time};{level};{source};{message}`, or `json`. What is written
//! reads back the same, but for what the form leaves out (a template without `{level}`, a time without fractions).
//! Neither form lets a character through that ends a line somewhere, hides text or moves a terminal's cursor:
//! control characters, the line separators of Unicode and its marks that turn the direction of text are escaped.
//!
//! Both begin with the time at a fixed width, so that a place in a file is found by time without reading the rest.

mod escape;
mod json;
mod stamp;
mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use stamp::Stamp;
use template::Template;

use super::{Encoded, Entry, Mark};

/// The form of a file's lines.
#[derive(Debug, Clone)]
pub struct Format(Form);

#[derive(Debug, Clone)]
enum Form {
    Template(Template),
    Json,
}

/// A line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// Nanoseconds since 1970, as exactly as the line has it.
    pub time: i64,
    pub level: Cow<'a, str>,
    pub source: Cow<'a, str>,
    pub message: Cow<'a, str>,
    /// A JSON object, or empty.
    pub fields: Cow<'a, str>,
}

impl Line<'_> {
    pub fn as_entry(&self) -> Entry<'_> {
        Entry {
            time: self.time,
            mark: Mark::None,
            level: &self.level,
            source: &self.source,
            message: &self.message,
            fields: &self.fields,
        }
    }
}

impl Default for Format {
    fn default() -> Self {
        Self(Form::Template(Template::default()))
    }
}

impl Format {
    /// A JSON object for each line.
    pub const JSON: Self = Self(Form::Json);

    /// What the setting says: `json`, or a template. Where it makes no sense: why, in words.
    pub fn parse(setting: &str) -> Result<Self, String> {
        if setting == "json" {
            return Ok(Self(Form::Json));
        }
        Template::parse(setting).map(Form::Template).map(Self)
    }

    /// Appends the line of `entry`, its line feed included. `stamp` remembers the second that was written last.
    pub fn write(&self, entry: &Entry<'_>, stamp: &mut Stamp, into: &mut Vec<u8>) {
        self.write_encoded(&entry.into(), stamp, into);
    }

    /// The same of an entry as it waits in the journal.
    pub fn write_encoded(&self, entry: &Encoded<'_>, stamp: &mut Stamp, into: &mut Vec<u8>) {
        match &self.0 {
            Form::Template(template) => template.write(entry, stamp, into),
            Form::Json => json::write(entry, stamp, into),
        }
        into.push(b'\n');
    }

    /// The time that a line begins with; none where it is no line of this form. The rest is not looked at.
    pub fn time_of(&self, line: &[u8]) -> Option<i64> {
        match &self.0 {
            Form::Template(template) => template.time_of(line).map(|(time, _)| time),
            Form::Json => json::time_of(line).map(|(time, _)| time),
        }
    }

    /// Reads a line, given without its line feed; none where it is no line of this form.
    pub fn read<'a>(&self, line: &'a [u8]) -> Option<Line<'a>> {
        match &self.0 {
            Form::Template(template) => template.read(line),
            Form::Json => json::read(line),
        }
    }
}
