//! Batches that wait for a collector that is away, in a file of their process.
//!
//! ```text
//! header   "hrspil\r\n", version u32, -, where the first batch begins that is not delivered u64
//! batches  from 24 on: length u32, crc u32 of all that follows, entries u32, compressed u32, key 16 bytes, body
//! ```
//!
//! Numbers are little-endian. A file is locked as long as its process lives; one that can be locked is an orphan and
//! belongs to whoever does so. It gets its name when it is locked already, so nobody takes a new one for an orphan, and
//! loses it while it is locked. Writes are not synced: a process may die at any time and loses nothing, a machine that
//! loses its power loses what its kernel had not written.
//!
//! Bounded in bytes: a batch that finds no room is refused, since what was kept first is kept.
//!
//! Given up: adopting the file of a process whose children still live. A lock is shared with children by fork.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::batch::{Batch, random};

const MAGIC: &[u8; 8] = b"hrspil\r\n";
const VERSION: u32 = 1;
const HEADER: u64 = 24;
const HEAD_AT: u64 = 16;
const PREFIX: usize = 8;
const FACTS: usize = 24;
const ENDING: &str = "spill";

/// No batch is longer; a length beyond it is damage.
const LONGEST: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    path: PathBuf,
    /// Where the first batch begins that is not delivered, and where the last one ends.
    head: u64,
    end: u64,
    most: u64,
}

impl Spill {
    /// A new file in `folder`, which is made where it is missing.
    pub(super) fn create(folder: &Path, most: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let name = format!("{}-{:08x}", std::process::id(), u32::from_le_bytes(random()));
        let (draft, path) = (
            folder.join(format!("{name}.new")),
            folder.join(format!("{name}.{ENDING}")),
        );
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        let made = flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all_at(&header(HEADER), 0))
            .and_then(|()| fs::rename(&draft, &path));
        made.inspect_err(|_| drop(fs::remove_file(&draft)))?;
        Ok(Self {
            file,
            path,
            head: HEADER,
            end: HEADER,
            most,
        })
    }

    /// The orphans in `folder`; what can't be read is left where it is.
    pub(super) fn orphans(folder: &Path) -> Vec<Self> {
        let Ok(listing) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let paths = listing.flatten().map(|entry| entry.path());
        paths
            .filter(|path| path.extension() == Some(OsStr::new(ENDING)))
            .filter_map(Self::adopt)
            .collect()
    }

    fn adopt(path: PathBuf) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        // Another one may have delivered and removed it between our two steps.
        let still = fs::metadata(&path).ok()?.ino() == file.metadata().ok()?.ino();
        let end = file.metadata().ok()?.len();
        let mut start = [0; HEADER as usize];
        file.read_exact_at(&mut start, 0).ok()?;
        let head = u64_at(&start, HEAD_AT as usize);
        (still && start == header(head) && head >= HEADER).then_some(Self {
            file,
            path,
            head,
            end,
            most: 0,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head >= self.end
    }

    /// Whether there was room for it.
    pub(super) fn push(&mut self, batch: &Batch) -> io::Result<bool> {
        let record = encode(batch);
        if self.end + record.len() as u64 > self.most {
            return Ok(false);
        }
        self.file.write_all_at(&record, self.end)?;
        self.end += record.len() as u64;
        Ok(true)
    }

    /// The first batch that is not delivered. Damage ends the file: where the next batch would begin is not known.
    pub(super) fn first(&mut self) -> Option<Batch> {
        let batch = (!self.is_empty()).then(|| self.read()).flatten();
        if batch.is_none() {
            self.head = self.end;
        }
        batch
    }

    fn read(&self) -> Option<Batch> {
        let mut prefix = [0; PREFIX];
        self.file.read_exact_at(&mut prefix, self.head).ok()?;
        let length = u64::from(u32_at(&prefix, 0));
        if length < FACTS as u64 || length > LONGEST || self.head + PREFIX as u64 + length > self.end {
            return None;
        }
        let mut record = vec![0; length as usize];
        self.file.read_exact_at(&mut record, self.head + PREFIX as u64).ok()?;
        if crc32c::crc32c(&record) != u32_at(&prefix, 4) {
            return None;
        }
        let body = record.split_off(FACTS);
        Some(Batch {
            entries: u32_at(&record, 0).into(),
            compressed: u32_at(&record, 4) != 0,
            key: record.get(8..FACTS)?.try_into().ok()?,
            body,
        })
    }

    /// The first batch is delivered, or given up. An error leaves the file as it was: it may be delivered again, and its
    /// key says so to the collector.
    pub(super) fn advance(&mut self, batch: &Batch) {
        self.head += (PREFIX + FACTS + batch.body.len()) as u64;
        if self.is_empty() && self.file.set_len(HEADER).is_ok() {
            (self.head, self.end) = (HEADER, HEADER);
        }
        let _ = self.file.write_all_at(&self.head.to_le_bytes(), HEAD_AT);
    }

    /// Removes the file if nothing is left to deliver, else leaves it for whoever comes next.
    pub(super) fn leave(self) {
        if self.is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn header(head: u64) -> [u8; HEADER as usize] {
    let mut bytes = [0; HEADER as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..].copy_from_slice(&head.to_le_bytes());
    bytes
}

fn encode(batch: &Batch) -> Vec<u8> {
    let mut facts = Vec::with_capacity(FACTS + batch.body.len());
    facts.extend_from_slice(&(batch.entries as u32).to_le_bytes());
    facts.extend_from_slice(&u32::from(batch.compressed).to_le_bytes());
    facts.extend_from_slice(&batch.key);
    facts.extend_from_slice(&batch.body);
    let length = (facts.len() as u32).to_le_bytes();
    [&length[..], &crc32c::crc32c(&facts).to_le_bytes(), &facts].concat()
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    let found = bytes.get(place..place + 4).and_then(|part| part.try_into().ok());
    u32::from_le_bytes(found.unwrap_or_default())
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    let found = bytes.get(place..place + 8).and_then(|part| part.try_into().ok());
    u64::from_le_bytes(found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(number: u8, length: usize) -> Batch {
        Batch {
            key: [number; 16],
            entries: 7,
            compressed: number.is_multiple_of(2),
            body: vec![number; length],
        }
    }

    #[test]
    fn batches_come_back_in_order_and_the_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::create(folder.path(), 1 << 20).unwrap();
        assert!(spill.is_empty());
        for number in 1..=3 {
            assert!(spill.push(&batch(number, 100)).unwrap());
        }
        for number in 1..=3 {
            let first = spill.first().unwrap();
            assert_eq!(first, batch(number, 100));
            spill.advance(&first);
        }
        assert!(spill.is_empty() && spill.first().is_none());
        spill.leave();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_batch_without_room_is_refused_and_those_before_it_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::create(folder.path(), 300).unwrap();
        assert!(spill.push(&batch(1, 200)).unwrap());
        assert!(!spill.push(&batch(2, 200)).unwrap());
        assert_eq!(spill.first(), Some(batch(1, 200)));
    }

    #[test]
    fn only_an_orphan_is_adopted_and_goes_on_where_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::create(folder.path(), 1 << 20).unwrap();
        spill.push(&batch(1, 10)).unwrap();
        spill.push(&batch(2, 10)).unwrap();
        spill.advance(&batch(1, 10));
        assert!(Spill::orphans(folder.path()).is_empty());
        drop(spill);
        let mut orphans = Spill::orphans(folder.path());
        assert_eq!(orphans.len(), 1);
        assert_eq!(orphans[0].first(), Some(batch(2, 10)));
    }

    #[test]
    fn a_torn_or_changed_batch_ends_the_file() {
        for harm in [
            (|file: &File, length: u64| file.set_len(length - 1).unwrap()) as fn(&File, u64),
            |file, length| file.write_all_at(b"x", length - 1).unwrap(),
            |file, length| file.write_all_at(&[0; 40], length - 40).unwrap(),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut spill = Spill::create(folder.path(), 1 << 20).unwrap();
            spill.push(&batch(1, 10)).unwrap();
            spill.push(&batch(2, 10)).unwrap();
            harm(&spill.file, spill.end);
            drop(spill);
            let mut orphan = Spill::orphans(folder.path()).pop().unwrap();
            assert_eq!(orphan.first(), Some(batch(1, 10)));
            orphan.advance(&batch(1, 10));
            assert_eq!(orphan.first(), None);
            assert!(orphan.is_empty());
        }
    }

    #[test]
    fn a_file_of_another_kind_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1-2.spill"), b"something else, longer than a header").unwrap();
        assert!(Spill::orphans(folder.path()).is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
