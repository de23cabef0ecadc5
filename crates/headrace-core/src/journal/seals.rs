//! What a consumer has noted: which payloads it is about to land, and which have landed.
//!
//! A consumer *seals* a range before it uploads it, with whatever it needs to make the same object again; when the upload
//! is done the range has *landed*. A crash in between leaves the seal: the same bytes go to the same place once more.
//! Notes are records in a file of their own, format and recovery are those of segments. Each is safe before the call
//! returns. The file is written anew when it has grown: what has not landed, then the seals that stand. It is replaced
//! by renaming, and after a write that failed it is replaced before anything else is noted.
//!
//! Each note is written twice, one behind the other: a changed byte costs none. Where notes are lost to more damage than
//! that, payloads land twice rather than never.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    Options,
    backlog::{Backlog, Range},
    disk::Disk,
    record::{self, MAX_NUMBER, Record, u32_at, u64_at},
    scan::{self, Known, Walk},
    segment::{self, Header, Kind, MAX_LENGTH, START, Segment},
};

pub(super) const NAME: &str = "landing.notes";
/// The file is written anew when it is larger than this and than four times what it was when it was new.
const COMPACT: u64 = 1 << 20;
/// Ranges in one note of what has not landed.
const RANGES: usize = 100_000;

/// How often a note is written.
const COPIES: usize = 2;

/// Kinds of notes, where a record has its stream.
const SEALED: u16 = 1;
const LANDED: u16 = 2;
/// Below a number nothing waits but the ranges given, in so and so many notes.
const FLOOR: u16 = 3;

/// A range that is about to land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Its name; never given twice.
    pub id: u64,
    pub range: Range,
    /// How many payloads it has.
    pub count: u64,
    /// What the consumer wrote down.
    pub note: Vec<u8>,
}

/// The seals that stand, and the file that knows of them.
#[derive(Debug, Default)]
pub(super) struct Seals {
    pub(super) standing: BTreeMap<u64, Seal>,
    next: u64,
    /// The number of the next note.
    number: u64,
    file: Option<Segment>,
    /// How large the file was when it was new.
    fresh: u64,
}

/// What the notes in a file say.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) seals: Seals,
    landed: Vec<Range>,
    floor: u64,
    /// In order, and no two overlap.
    kept: Vec<Range>,
    /// Parts of the floor that were found, of how many.
    parts: (u32, u32),
    /// The note that was taken last: its second copy says nothing new.
    latest: (u16, Vec<u8>),
    pub(super) extent: scan::Extent,
}

impl Notes {
    /// Reads the notes; `header` is that of `file`.
    pub(super) fn read(file: &dyn super::disk::File, header: &Header) -> io::Result<Self> {
        let mut notes = Self::default();
        let walk = Walk::new(header.salt, 1, START, file.length()?.min(MAX_LENGTH));
        let extent = scan::examine(file, walk, Known::Safe(header.previous.1), |_, head, body| {
            notes.seals.number = head.last();
            for note in record::payloads(body) {
                if (notes.latest.0, &*notes.latest.1) != (head.stream, note) {
                    // What its CRC lets pass and yet makes no sense is not ours.
                    let _ = notes.take(head.stream, note);
                    notes.latest = (head.stream, note.to_vec());
                }
            }
        })?;
        notes.extent = extent;
        Ok(notes)
    }

    /// The notes of a file whose header cannot be read.
    pub(super) fn lost(length: u64) -> Self {
        let extent = scan::Extent {
            damaged: length,
            holes: 1,
            ..scan::Extent::default()
        };
        Self {
            extent,
            ..Self::default()
        }
    }

    fn take(&mut self, kind: u16, note: &[u8]) -> Option<()> {
        match kind {
            SEALED => {
                let seal = Seal::decode(note)?;
                self.seals.next = self.seals.next.max(seal.id);
                self.seals.standing.insert(seal.id, seal);
            }
            LANDED => {
                let seal = Seal::decode(note)?;
                self.seals.next = self.seals.next.max(seal.id);
                self.seals.standing.remove(&seal.id);
                self.landed.push(seal.range);
            }
            FLOOR => {
                self.floor = number_at(note, 0)?;
                self.seals.next = self.seals.next.max(number_at(note, 8)?);
                self.parts = (self.parts.0 + 1, u32_at(note, 16));
                for range in note.get(20..)?.chunks_exact(18).filter_map(decode_range) {
                    if self.kept.last().is_none_or(|before| before.last < range.first) {
                        self.kept.push(range);
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Takes out of `backlog`, where all that is on disk is open, what has landed; seals what is sealed. A seal that
    /// begins below `oldest` has landed, though no note says so any more: to land what is left of it would put a part
    /// where the whole is.
    pub(super) fn apply(mut self, backlog: &mut Backlog, oldest: u64) -> Seals {
        let standing = std::mem::take(&mut self.seals.standing).into_iter();
        let (removed, standing): (BTreeMap<_, _>, _) = standing.partition(|(_, seal)| seal.range.first < oldest);
        self.landed.extend(removed.into_values().map(|seal| seal.range));
        self.seals.standing = standing;
        // A floor with a part missing would take what waits for landed.
        if self.floor > 0 && self.parts.0 == self.parts.1 {
            backlog.keep_below(self.floor, &self.kept);
        }
        for range in &self.landed {
            backlog.land(*range, 0);
        }
        for seal in self.seals.standing.values() {
            backlog.seal(seal.range, seal.id);
        }
        self.seals
    }

    /// A number above all that is mentioned.
    pub(super) fn next_payload(&self) -> u64 {
        let seals = self.seals.standing.values().map(|seal| seal.range.last + 1);
        let landed = self.landed.iter().map(|range| range.last + 1);
        seals.chain(landed).max().unwrap_or(1).max(self.floor)
    }
}

impl Seal {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.id.to_le_bytes().to_vec();
        bytes.extend_from_slice(&encode_range(&self.range));
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.note);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: number_at(bytes, 0)?,
            range: decode_range(bytes.get(8..)?)?,
            count: number_at(bytes, 26)?,
            note: bytes.get(34..)?.to_vec(),
        })
    }
}

fn encode_range(range: &Range) -> [u8; 18] {
    let mut bytes = [0; 18];
    bytes[..2].copy_from_slice(&range.stream.to_le_bytes());
    bytes[2..10].copy_from_slice(&range.first.to_le_bytes());
    bytes[10..].copy_from_slice(&range.last.to_le_bytes());
    bytes
}

fn decode_range(bytes: &[u8]) -> Option<Range> {
    let range = Range {
        stream: u16::from_le_bytes(*bytes.first_chunk()?),
        first: number_at(bytes, 2)?,
        last: number_at(bytes, 10)?,
    };
    (range.first <= range.last).then_some(range)
}

/// The number at `at`, if one can be there.
fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64_at(bytes, at)).filter(|number| *number <= MAX_NUMBER)
}

/// Where notes are kept.
pub(super) struct Place<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) folder: &'a Path,
    pub(super) options: &'a Options,
}

impl Place<'_> {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }
}

impl Seals {
    /// Notes what is about to land. `waiting` tells the number after all that is safe, and what of it has not landed.
    pub(super) fn seal(
        &mut self,
        place: &Place<'_>,
        seal: Seal,
        waiting: impl FnOnce() -> (u64, Vec<Range>),
    ) -> io::Result<Seal> {
        let seal = Seal {
            id: self.next + 1,
            ..seal
        };
        self.note(place, SEALED, &seal.encode(), waiting)?;
        self.next = seal.id;
        self.standing.insert(seal.id, seal.clone());
        Ok(seal)
    }

    /// Notes that what was sealed as `id` has landed; what that was.
    pub(super) fn landed(
        &mut self,
        place: &Place<'_>,
        id: u64,
        waiting: impl FnOnce() -> (u64, Vec<Range>),
    ) -> io::Result<Option<Seal>> {
        let Some(seal) = self.standing.get(&id) else {
            return Ok(None);
        };
        let note = Seal {
            note: Vec::new(),
            ..seal.clone()
        }
        .encode();
        self.note(place, LANDED, &note, waiting)?;
        Ok(self.standing.remove(&id))
    }

    /// Makes one note safe.
    fn note(
        &mut self,
        place: &Place<'_>,
        kind: u16,
        note: &[u8],
        waiting: impl FnOnce() -> (u64, Vec<Range>),
    ) -> io::Result<()> {
        let full = |file: &Segment| file.end > COMPACT.max(4 * self.fresh);
        if self.file.as_ref().is_none_or(full) {
            self.file = None;
            self.compact(place, waiting())?;
        }
        let mut bytes = Vec::new();
        self.encode_note(&mut bytes, kind, note, (place.options.clock)());
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("no file for notes"));
        };
        let written = file.write(&mut bytes);
        if written.is_err() {
            self.file = None;
        }
        written
    }

    /// Writes the file anew: nothing below `floor` waits but `ranges`, then the seals that stand.
    fn compact(&mut self, place: &Place<'_>, (floor, ranges): (u64, Vec<Range>)) -> io::Result<()> {
        let now = (place.options.clock)();
        let mut bytes = Vec::new();
        let parts = ranges.len().div_ceil(RANGES).max(1);
        for part in 0..parts {
            let mut note = floor.to_le_bytes().to_vec();
            note.extend_from_slice(&self.next.to_le_bytes());
            note.extend_from_slice(&(parts as u32).to_le_bytes());
            for range in ranges.iter().skip(part * RANGES).take(RANGES) {
                note.extend_from_slice(&encode_range(range));
            }
            self.encode_note(&mut bytes, FLOOR, &note, now);
        }
        let standing: Vec<_> = self.standing.values().map(Seal::encode).collect();
        for seal in standing {
            self.encode_note(&mut bytes, SEALED, &seal, now);
        }
        let length = START + bytes.len() as u64;
        let header = Header {
            kind: Kind::Notes,
            first: 1,
            salt: segment::new_salt(),
            previous: (0, length),
            made: now,
            node: place.options.node.clone(),
        };
        let file = Segment::create(place.disk, &place.path(), header, length, &mut bytes)?;
        self.fresh = file.end;
        self.file = Some(file);
        Ok(())
    }

    /// Both copies of a note.
    fn encode_note(&mut self, buffer: &mut Vec<u8>, kind: u16, note: &[u8], time: u64) {
        let record = Record {
            stream: kind,
            key: None,
            payloads: &[note],
        };
        for _ in 0..COPIES {
            self.number += 1;
            record::encode(buffer, &record, self.number, time);
        }
    }
}
