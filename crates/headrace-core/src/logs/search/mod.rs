//! Search: entries of all files, the one that is written and the rotated ones, in the order of their time.
//!
//! ```text
//! files -> for each: what it spans (known once it is rotated) -> those that may have something
//!   main file: halving to the first piece, then line by line  \
//!   side file: all late lines, as it is short                 / merged by (time, file, offset) -> a page
//! ```
//!
//! Reading order: `place` (what is first), `pieces` and `frames` (a file as pieces), `files` (which there are), `stream`
//! and `late` (what one of them has), `page` (one answer); `follow` (lines as they are written).
//!
//! Invariants
//! - the order of entries is total and outlives rotation and compression, so a cursor is a place in it;
//! - of a file only pieces are in memory, of the late lines as many as make a page.
//!
//! Given up: an index of levels, sources or words. Time is what log files are ordered by, and what bounds a search.

mod files;
mod follow;
mod frames;
mod late;
mod page;
mod pieces;
mod place;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use self::files::Folder;
pub use self::{
    follow::{Mark, Position, Step},
    page::Page,
    place::{Cursor, Order},
};
use super::{filter::Filter, line::Format};

/// How many entries a page has where nothing else is asked for.
pub const DEFAULT_LIMIT: usize = 100;

/// What a page has at most, in bytes of the lines in the files.
pub const MAX_PAGE: usize = 4 << 20;

/// How long a page may take, until it says how far it came.
const PATIENCE: Duration = Duration::from_secs(5);

/// The files of one log.
pub struct Search {
    folder: Folder,
    format: Format,
    read: AtomicU64,
}

/// Which entries, in which order, and how many at most.
#[derive(Debug, Clone)]
pub struct Query {
    pub filter: Filter,
    pub order: Order,
    /// None: `DEFAULT_LIMIT` on a page.
    pub limit: Option<usize>,
    /// A page that has as many bytes is full.
    pub max_bytes: usize,
    /// Entries that come after this.
    pub after: Option<Cursor>,
    pub patience: Duration,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            order: Order::OldestFirst,
            limit: None,
            max_bytes: MAX_PAGE,
            after: None,
            patience: PATIENCE,
        }
    }
}

impl Search {
    /// `path` is the file that is written.
    pub fn new(path: PathBuf, format: Format) -> Self {
        Self {
            folder: Folder::new(path),
            format,
            read: AtomicU64::new(0),
        }
    }

    /// Bytes read from disk since it was made.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}
