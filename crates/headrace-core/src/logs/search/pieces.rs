//! A file of lines as pieces that begin and end with lines, so that it can be read from anywhere, in either direction.
//!
//! Of a plain file, piece `n` is the lines that begin in block `n`; of a compressed one, frame `n`. Offsets are those of
//! the decoded file and stay when it is compressed. A last line without its end is not there yet.

use std::{
    fs::File,
    io::{ErrorKind, Result},
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use memchr::{memchr, memrchr};

use super::frames::SeekTable;

/// What a probe of a plain file reads: small beside a file, large beside a line.
const BLOCK: u64 = 64 << 10;

/// What is read at first for the rest of a block's last line.
const LINE: u64 = 512;

/// A line that is longer is taken for the end of what can be read: entries are shorter, escaped too.
const MAX_LINE: u64 = 64 << 20;

pub(super) struct Pieces<'a> {
    file: File,
    kind: Kind,
    /// Bytes that were read from disk.
    read: &'a AtomicU64,
}

enum Kind {
    Plain { length: u64 },
    Frames(SeekTable),
}

impl<'a> Pieces<'a> {
    /// A plain file as long as it is now.
    pub(super) fn plain(file: File, read: &'a AtomicU64) -> Result<Self> {
        let length = file.metadata()?.len();
        let kind = Kind::Plain { length };
        Ok(Self { file, kind, read })
    }

    pub(super) fn compressed(file: File, read: &'a AtomicU64) -> Result<Self> {
        let kind = Kind::Frames(SeekTable::read(&file)?);
        Ok(Self { file, kind, read })
    }

    /// The file at `path`, or what became of it when it was compressed; none when it is gone.
    pub(super) fn open(path: &Path, read: &'a AtomicU64) -> Result<Option<Self>> {
        let mut packed = path.as_os_str().to_owned();
        packed.push(".zst");
        if let Some(file) = existing(path)? {
            return Self::plain(file, read).map(Some);
        }
        existing(packed.as_ref())?
            .map(|file| Self::compressed(file, read))
            .transpose()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Bytes of a plain file; of a compressed one nothing is added any more.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.kind {
            Kind::Plain { length } => Some(*length),
            Kind::Frames(_) => None,
        }
    }

    pub(super) fn count(&self) -> usize {
        match &self.kind {
            Kind::Plain { length } => length.div_ceil(BLOCK) as usize,
            Kind::Frames(table) => table.frames(),
        }
    }

    /// The piece in which a line that begins at `offset` is.
    pub(super) fn holding(&self, offset: u64) -> usize {
        match &self.kind {
            Kind::Plain { .. } => (offset / BLOCK) as usize,
            Kind::Frames(table) => table.holding(offset),
        }
    }

    /// Replaces `into` by the lines of a piece, each with its end. Where the first one begins.
    pub(super) fn read(&self, piece: usize, into: &mut Vec<u8>) -> Result<u64> {
        let (start, bytes) = match &self.kind {
            Kind::Plain { length } => self.read_block(piece as u64 * BLOCK, *length, into)?,
            Kind::Frames(table) => table.decode(&self.file, piece, into)?,
        };
        self.read.fetch_add(bytes, Ordering::Relaxed);
        let whole = memrchr(b'\n', into).map_or(0, |end| end + 1);
        into.truncate(whole);
        Ok(start)
    }

    /// The lines that begin in the block at `start`: from after the first line end at or before it to the first one behind it.
    fn read_block(&self, start: u64, length: u64, into: &mut Vec<u8>) -> Result<(u64, u64)> {
        let from = start.saturating_sub(1);
        let end = (start + BLOCK).min(length);
        into.clear();
        self.append(from, end, into)?;
        // Whether the last byte of the block ends a line decides where its last line ends.
        let (mut at, mut step) = (end, LINE);
        while into.last().is_some_and(|last| *last != b'\n') && at < length && at - start < MAX_LINE {
            let next = (at + step).min(length);
            let known = into.len();
            self.append(at, next, into)?;
            if let Some(found) = memchr(b'\n', &into[known..]) {
                into.truncate(known + found + 1);
            }
            at = next;
            step = (2 * step).min(BLOCK);
        }
        if start == 0 {
            return Ok((0, at));
        }
        let first = memchr(b'\n', into).map_or(into.len(), |end| end + 1);
        into.drain(..first);
        let first = from + first as u64;
        if first >= end {
            into.clear();
        }
        Ok((first, at - from))
    }

    fn append(&self, from: u64, to: u64, into: &mut Vec<u8>) -> Result<()> {
        let known = into.len();
        into.resize(known + to.saturating_sub(from) as usize, 0);
        self.file.read_exact_at(&mut into[known..], from)
    }
}

/// Opens a file; none when it does not exist.
pub(super) fn existing(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
