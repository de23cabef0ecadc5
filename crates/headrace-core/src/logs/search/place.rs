//! Where an entry is, and the order in which entries are told.

use std::fmt;

/// The place of an entry: by time, then as the files follow one another, then as lines do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) time: i64,
    /// The file's turn in this search.
    pub(super) file: u32,
    /// Of the line, in the decoded file.
    pub(super) offset: u64,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    OldestFirst,
    NewestFirst,
}

impl Order {
    /// Places in the order they are told, whichever it is, compare as their ranks do.
    pub(super) fn rank(self, place: Place) -> Place {
        match self {
            Self::OldestFirst => place,
            Self::NewestFirst => Place {
                time: !place.time,
                file: !place.file,
                offset: !place.offset,
            },
        }
    }
}

/// A place that outlives the search, and the renaming and compression of the file: files are known by their first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub time: i64,
    pub file: u32,
    pub offset: u64,
}

impl Cursor {
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-').map(|part| u64::from_str_radix(part, 16).ok());
        let mut next = || parts.next().flatten();
        Some(Self {
            time: next()?.cast_signed(),
            file: next()?.try_into().ok()?,
            offset: next()?,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}-{:x}", self.time, self.file, self.offset)
    }
}
