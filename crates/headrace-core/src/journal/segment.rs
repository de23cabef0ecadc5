//! A segment: one file of records, with a header that says what it is without any other file.
//!
//! ```text
//! header  twice, 512 bytes each: "hrjrnl\r\n", version u32, crc u32, first number u64, salt u32, -,
//!         first number of the segment before u64, where its records end u64, made at u64, node (length u16, text)
//! records from 1024 on
//! ```
//!
//! A header says where the records of the segment before it end: what lies beyond was never acknowledged, and stays
//! away for good, whatever the disk made of it. Two copies, because the salt in it opens all that follows.
//! A segment is written under another name and renamed when its header is safe, so none is ever seen without one.
//! The place of magic, version and CRC, and that the CRC covers 512 bytes, holds for all versions to come.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io,
    path::{Path, PathBuf},
};

use super::{
    ahead::Prepared,
    disk::{Disk, File},
    record::{self, Head, MAX_NUMBER, u32_at, u64_at},
};

pub(super) const VERSION: u32 = 1;
/// One copy of the header: a sector, which disks write whole.
const COPY: usize = 512;
/// Where records begin.
pub(super) const START: u64 = 2 * COPY as u64;
/// No file of records is longer: places in it are kept in 32 bits.
pub(super) const MAX_LENGTH: u64 = u32::MAX as u64;
/// The longest name of a node, in bytes.
pub(super) const MAX_NODE: usize = 255;
const NODE: usize = 58;
/// Added to the name of a file that has no safe header yet.
pub(super) const UNFINISHED: &str = ".new";

/// What a file of records holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Payloads.
    Payloads,
    /// What a consumer noted about them.
    Notes,
}

impl Kind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Payloads => b"hrjrnl\r\n",
            Self::Notes => b"hrnote\r\n",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// The number of the first payload that may be in it.
    pub(super) first: u64,
    pub(super) salt: u32,
    /// The segment before: its first number and where its records end; 0 and 0 where there is none. In a file of notes:
    /// 0, and where those end that it was made with.
    pub(super) previous: (u64, u64),
    /// Milliseconds since 1970.
    pub(super) made: u64,
    pub(super) node: String,
}

/// What the start of a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Known(Header),
    /// Made by another version of headrace.
    Version(u32),
    Damaged,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; START as usize] {
        let mut bytes = [0; START as usize];
        let copy = &mut bytes[..COPY];
        copy[..8].copy_from_slice(self.kind.magic());
        copy[8..12].copy_from_slice(&VERSION.to_le_bytes());
        copy[16..24].copy_from_slice(&self.first.to_le_bytes());
        copy[24..28].copy_from_slice(&self.salt.to_le_bytes());
        copy[32..40].copy_from_slice(&self.previous.0.to_le_bytes());
        copy[40..48].copy_from_slice(&self.previous.1.to_le_bytes());
        copy[48..56].copy_from_slice(&self.made.to_le_bytes());
        let node = &self.node.as_bytes()[..self.node.len().min(MAX_NODE)];
        copy[56..NODE].copy_from_slice(&(node.len() as u16).to_le_bytes());
        copy[NODE..NODE + node.len()].copy_from_slice(node);
        let crc = crc32c::crc32c(copy);
        copy[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes.copy_within(..COPY, COPY);
        bytes
    }

    /// Reads the header of a file that should hold `kind`.
    pub(super) fn read(file: &dyn File, kind: Kind) -> io::Result<Opening> {
        let mut bytes = [0; START as usize];
        file.read_at(&mut bytes, 0)?;
        let (one, two) = bytes.split_at(COPY);
        Ok(Self::decode(one, kind)
            .or_else(|| Self::decode(two, kind))
            .unwrap_or(Opening::Damaged))
    }

    fn decode(copy: &[u8], kind: Kind) -> Option<Opening> {
        let mut blank = copy.to_vec();
        blank.get_mut(12..16)?.fill(0);
        if copy.first_chunk() != Some(kind.magic()) || crc32c::crc32c(&blank) != u32_at(copy, 12) {
            return None;
        }
        match u32_at(copy, 8) {
            VERSION => Some(Opening::Known(Self::fields(copy, kind)?)),
            other => Some(Opening::Version(other)),
        }
    }

    fn fields(copy: &[u8], kind: Kind) -> Option<Self> {
        let length = usize::from(u16::from_le_bytes([*copy.get(56)?, *copy.get(57)?]));
        Some(Self {
            kind,
            first: u64_at(copy, 16),
            salt: u32_at(copy, 24),
            previous: (u64_at(copy, 32), u64_at(copy, 40)),
            made: u64_at(copy, 48),
            node: String::from_utf8_lossy(copy.get(NODE..NODE + length)?).into_owned(),
        })
    }
}

/// A number that nobody who sends payloads can know.
pub(super) fn new_salt() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

/// The file name of the segment that begins with `first`.
pub(super) fn name(first: u64) -> String {
    format!("{first:020}.journal")
}

/// The first number of the segment with this file name.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".journal")?;
    let first = (digits.len() == 20).then(|| digits.parse().ok()).flatten();
    first.filter(|first| (1..=MAX_NUMBER).contains(first))
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A file of records that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: Box<dyn File>,
    pub(super) header: Header,
    /// Where the next record goes; all before it is safe.
    pub(super) end: u64,
}

impl Segment {
    /// A new file at `path` that begins with `records`, `length` bytes set aside for it; replaces what had the name.
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        header: Header,
        length: u64,
        records: &mut [u8],
    ) -> io::Result<Self> {
        let made = with_suffix(path, UNFINISHED);
        let begun = disk.create(&made).and_then(|file| {
            file.allocate(length)?;
            Self::begin(file, header, records)
        });
        Self::give_name(disk, begun, &made, path)
    }

    /// The same in a file that was prepared.
    pub(super) fn create_in(disk: &dyn Disk, path: &Path, header: Header, prepared: Prepared) -> io::Result<Self> {
        let begun = Self::begin(prepared.file, header, &mut []);
        Self::give_name(disk, begun, &prepared.path, path)
    }

    fn begin(file: Box<dyn File>, header: Header, records: &mut [u8]) -> io::Result<Self> {
        file.write_at(&header.encode(), 0)?;
        let mut segment = Self {
            file,
            header,
            end: START,
        };
        segment.write(records)?;
        Ok(segment)
    }

    /// Renames what was begun as `made`, once it is safe.
    fn give_name(disk: &dyn Disk, begun: io::Result<Self>, made: &Path, path: &Path) -> io::Result<Self> {
        let named = begun.and_then(|segment| {
            disk.rename(made, path)?;
            disk.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
            Ok(segment)
        });
        if named.is_err() {
            // What is left of a failed attempt would take the room that was missing.
            let _ = disk.remove(made);
        }
        named
    }

    /// Writes encoded records and waits until they are safe. After an error nothing of them counts, and nothing more
    /// may be written to this file: what a failed sync left of it is not known.
    pub(super) fn write(&mut self, records: &mut [u8]) -> io::Result<()> {
        let synced = self.end as u32;
        let mut rest = &mut *records;
        while !rest.is_empty() {
            let head = record::unplaced(rest);
            record::stamp(rest, &head, self.header.salt, synced);
            rest = &mut rest[head.total()..];
        }
        self.file.write_at(records, self.end)?;
        self.file.sync()?;
        self.end += records.len() as u64;
        Ok(())
    }
}

/// The heads of encoded records that have no place yet, in order.
pub(super) fn heads(mut records: &[u8]) -> impl Iterator<Item = Head> {
    std::iter::from_fn(move || {
        if records.is_empty() {
            return None;
        }
        let head = record::unplaced(records);
        records = &records[head.total()..];
        Some(head)
    })
}
