//! Lines by a template: `{time};{level};{source};{message}`.
//!
//! A template is the time, then literals and fields in turn. In a field the character that begins the literal behind it
//! stands behind a backslash, so a field ends where that literal begins, whatever is in it. Further fields are JSON and
//! come last, where nothing has to be told from them: behind a semicolon, or where the template has `{fields}`.

use std::{borrow::Cow, str::from_utf8};

use memchr::memchr2;

use super::{
    Line, Stamp,
    escape::{self, Special},
    stamp::{self, Precision},
};
use crate::logs::Encoded;

const DEFAULT: &str = "{time};{level};{source};{message}";
/// What stands before further fields that the template does not name.
const BEFORE_FIELDS: u8 = b';';
const IN_JSON: Special = Special::and(b"");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Level,
    Source,
    Message,
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(Box<str>),
    Field(Field, Ending),
}

/// How a field ends: before a byte that is special in it, or with the line.
#[derive(Debug, Clone)]
struct Ending {
    before: Option<u8>,
    special: Box<Special>,
}

#[derive(Debug, Clone)]
pub(super) struct Template {
    precision: Precision,
    pieces: Vec<Piece>,
    /// Whether it ends with `{fields}`.
    names_fields: bool,
}

impl Default for Template {
    fn default() -> Self {
        Self::parse(DEFAULT).unwrap_or_else(|why| unreachable!("{why}"))
    }
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no template for lines: {why}");
        let (precision, mut rest) = first_piece(text).ok_or_else(|| {
            wrong("it must begin with {time}, {time:ms}, {time:us} or {time:ns}, as files are in order of time")
        })?;
        let mut template = Self {
            precision,
            pieces: Vec::new(),
            names_fields: false,
        };
        while !rest.is_empty() {
            if template.names_fields {
                return Err(wrong("{fields} must be the last of it"));
            }
            rest = template.push(rest).map_err(|why| wrong(&why))?;
        }
        if !template.names_fields {
            template.end_field(BEFORE_FIELDS);
        }
        Ok(template)
    }

    /// Takes the next piece; what follows it.
    fn push<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let Some(named) = text.strip_prefix('{') else {
            let (literal, rest) = text.split_at(text.find('{').unwrap_or(text.len()));
            self.end_field(beginning(literal)?);
            self.pieces.push(Piece::Literal(literal.into()));
            return Ok(rest);
        };
        let (name, rest) = named.split_once('}').ok_or("a { has no }")?;
        let field = match name {
            "fields" => None,
            "level" => Some(Field::Level),
            "source" => Some(Field::Source),
            "message" => Some(Field::Message),
            other => {
                return Err(format!(
                    "{{{other}}} is not one of {{level}} {{source}} {{message}} {{fields}}"
                ));
            }
        };
        if !matches!(self.pieces.last(), Some(Piece::Literal(_))) {
            return Err(format!(
                "something must stand before {{{name}}} to tell where it begins"
            ));
        }
        match field {
            Some(field) if self.has(field) => return Err(format!("{{{name}}} is there twice")),
            Some(field) => self.pieces.push(Piece::Field(field, Ending::default())),
            None => self.names_fields = true,
        }
        Ok(rest)
    }

    fn has(&self, field: Field) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Field(other, _) if *other == field))
    }

    /// Lets the field that came last, if it did, end before `byte`.
    fn end_field(&mut self, byte: u8) {
        if let Some(Piece::Field(_, ending)) = self.pieces.last_mut() {
            ending.before = Some(byte);
            ending.special.set(byte);
        }
    }

    pub(super) fn write(&self, entry: &Encoded<'_>, stamp: &mut Stamp, into: &mut Vec<u8>) {
        stamp.write(entry.time, b' ', self.precision, into);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => match literal.as_bytes() {
                    // A call for one byte costs more than the byte.
                    &[one] => into.push(one),
                    several => into.extend_from_slice(several),
                },
                Piece::Field(field, Ending { special, .. }) => {
                    special.copy(field.of(entry), into, |character, into| {
                        escape::in_field(special, character, into);
                    });
                }
            }
        }
        if !entry.fields.is_empty() {
            if !self.names_fields {
                into.push(BEFORE_FIELDS);
            }
            IN_JSON.copy(entry.fields, into, escape::in_json);
        }
    }

    /// The time that a line begins with, and what follows it.
    pub(super) fn time_of<'a>(&self, line: &'a [u8]) -> Option<(i64, &'a [u8])> {
        stamp::read(line, b' ', self.precision)
    }

    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Option<Line<'a>> {
        let (time, rest) = self.time_of(line)?;
        let mut rest = from_utf8(rest).ok()?;
        let mut read = Line {
            time,
            level: Cow::Borrowed(""),
            source: Cow::Borrowed(""),
            message: Cow::Borrowed(""),
            fields: Cow::Borrowed(""),
        };
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => rest = rest.strip_prefix(&**literal)?,
                Piece::Field(field, ending) => {
                    let (text, after) = rest.split_at(ending.find(rest));
                    *field.of_line(&mut read) = escape::undo(text);
                    rest = after;
                }
            }
        }
        if !rest.is_empty() && !self.names_fields {
            rest = rest.strip_prefix(char::from(BEFORE_FIELDS))?;
            // Nothing is no object.
            rest.get(..1)?;
        }
        (rest.is_empty() || rest.starts_with('{')).then(|| {
            read.fields = Cow::Borrowed(rest);
            read
        })
    }
}

impl Default for Ending {
    fn default() -> Self {
        Self {
            before: None,
            special: Box::new(Special::and(br"\")),
        }
    }
}

impl Ending {
    /// Where the field at the start of `text` ends.
    fn find(&self, text: &str) -> usize {
        let Some(end) = self.before else {
            return text.len();
        };
        let bytes = text.as_bytes();
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| memchr2(b'\\', end, rest)) {
            if bytes[from + at] == end {
                return from + at;
            }
            from += at + 2;
        }
        bytes.len()
    }
}

impl Field {
    fn of<'a>(self, entry: &Encoded<'a>) -> &'a [u8] {
        match self {
            Self::Level => entry.level,
            Self::Source => entry.source,
            Self::Message => entry.message,
        }
    }

    fn of_line<'a, 'b>(self, line: &'b mut Line<'a>) -> &'b mut Cow<'a, str> {
        match self {
            Self::Level => &mut line.level,
            Self::Source => &mut line.source,
            Self::Message => &mut line.message,
        }
    }
}

fn first_piece(text: &str) -> Option<(Precision, &str)> {
    [
        ("{time}", Precision::Seconds),
        ("{time:ms}", Precision::Millis),
        ("{time:us}", Precision::Micros),
        ("{time:ns}", Precision::Nanos),
    ]
    .into_iter()
    .find_map(|(piece, precision)| Some((precision, text.strip_prefix(piece)?)))
}

/// The first byte of a literal, if a backslash before it cannot be taken for anything else.
fn beginning(literal: &str) -> Result<u8, String> {
    let clean = !literal.contains(|character| escape::hides(character) || character == '\\' || character == '}');
    let first = literal
        .bytes()
        .next()
        .filter(|first| first.is_ascii_punctuation() || *first == b' ');
    first.filter(|_| clean).ok_or_else(|| {
        format!("{literal:?} must begin with a space or a mark such as ; and have no \\, }} or control character")
    })
}
