//! A store on disk, from one process to the next.
//!
//! All numbers are little-endian, times are nanoseconds. A header of 40 bytes: `hrcache\n`, format version and its CRC-32C
//! (of the header, itself taken as zeros), entries, bytes of the file, the wall clock when it was saved. Then blocks: length,
//! CRC-32C begun with the block before, and whole records. The header is written last.
//!
//! Nothing is taken from a file until all of it has been checked. Lifetimes go on while no process runs, by the wall clock.
//! A file is loaded once and then removed: after a crash an older one would bring back what was invalidated since.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Lifetime, New, Store, clock::nanoseconds};
use crate::error::Error;

const MAGIC: [u8; 8] = *b"hrcache\n";
const VERSION: u32 = 1;
const HEADER: usize = 40;
/// Records are gathered until a block has as much.
const BLOCK: usize = 1 << 20;

/// Two at a time would write into one file.
static SAVING: Mutex<()> = Mutex::new(());

/// One entry as it is saved; times are as of the moment of saving.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) key: &'a [u8],
    pub(super) meta: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) version: u64,
    pub(super) uses: u8,
    pub(super) age: u64,
    pub(super) fresh_for: u64,
    /// Fresh and stale.
    pub(super) left: u64,
}

impl Store {
    /// Writes all that may still be used into `path`, by way of a file beside it; how many. Readers and writers go on.
    pub fn save(&self, path: &Path) -> io::Result<u64> {
        let _alone = SAVING.lock().unwrap_or_else(PoisonError::into_inner);
        let beside = with_suffix(path, ".new");
        let saved = self.write(&beside).and_then(|entries| {
            fs::rename(&beside, path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(entries)
        });
        if saved.is_err() {
            // What is left of it is of no use, and the error that counts is the first one.
            let _ = fs::remove_file(&beside);
        }
        saved
    }

    /// Takes in what was saved and removes the file; how many may still be used. No file is an empty one.
    ///
    /// One that is damaged, or of another version or program, is moved to `PATH.damaged` and told of as an error; nothing
    /// of it is taken.
    pub fn load(&self, path: &Path) -> Result<u64, Error> {
        let failed = |error: io::Error| Error::Cache(format!("{} cannot be read: {error}", path.display()));
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            opened => opened.map_err(failed)?,
        };
        if let Err(error) = read(&mut file, &mut |_, _, _| {}) {
            return Err(match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => set_aside(path, &error),
                _ => failed(error),
            });
        }
        let mut entries = 0;
        let loaded = read(&mut file, &mut |record, tags, away| {
            entries += u64::from(self.restore(&record, tags, away));
        });
        loaded.and_then(|()| fs::remove_file(path)).map_err(failed)?;
        Ok(entries)
    }

    fn write(&self, path: &Path) -> io::Result<u64> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let mut file = BufWriter::new(file);
        let saved = wall_clock();
        file.write_all(&[0; HEADER])?;
        let mut blocks = Blocks {
            file,
            block: Vec::new(),
            sum: 0,
            bytes: HEADER as u64,
            entries: 0,
        };
        self.export(&mut |record, tags| blocks.add(&record, &tags))?;
        blocks.flush()?;
        let Blocks {
            mut file,
            bytes,
            entries,
            ..
        } = blocks;
        file.rewind()?;
        file.write_all(&header(entries, bytes, saved))?;
        file.flush()?;
        file.get_ref().sync_all()?;
        Ok(entries)
    }

    /// Whether it may still be used after `away`, and nothing newer is there.
    fn restore(&self, record: &Record<'_>, tags: &[&[u8]], away: u64) -> bool {
        let left = record.left.saturating_sub(away);
        let fresh = record.fresh_for.saturating_sub(away);
        let new = New {
            key: record.key,
            value: record.value,
            meta: record.meta,
            life: Lifetime {
                fresh: Duration::from_nanos(fresh),
                stale: Duration::from_nanos(left.saturating_sub(fresh)),
            },
            tags,
            ..New::default()
        };
        left > 0 && self.take_in(&new, record, record.age.saturating_add(away))
    }
}

struct Blocks {
    file: BufWriter<File>,
    block: Vec<u8>,
    sum: u32,
    bytes: u64,
    entries: u64,
}

impl Blocks {
    fn add(&mut self, record: &Record<'_>, tags: &[&[u8]]) -> io::Result<()> {
        let block = &mut self.block;
        for length in [record.key.len(), record.meta.len(), record.value.len(), tags.len()] {
            block.extend((length as u32).to_le_bytes());
        }
        for number in [record.version, record.age, record.fresh_for, record.left] {
            block.extend(number.to_le_bytes());
        }
        block.push(record.uses);
        for part in [record.key, record.meta, record.value] {
            block.extend(part);
        }
        for tag in tags {
            block.extend((tag.len() as u32).to_le_bytes());
            block.extend(*tag);
        }
        self.entries += 1;
        match self.block.len() >= BLOCK {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(self.block.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.sum = checksum(self.sum, length, &self.block);
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&self.sum.to_le_bytes())?;
        self.file.write_all(&self.block)?;
        self.bytes += 8 + u64::from(length);
        self.block.clear();
        Ok(())
    }
}

/// A record with its tags, and for how long it was away.
type Each<'a> = dyn FnMut(Record<'_>, &[&[u8]], u64) + 'a;

/// Gives each record of a file, from its beginning on.
fn read(file: &mut File, each: &mut Each<'_>) -> io::Result<()> {
    file.rewind()?;
    let length = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let mut head = [0; HEADER];
    file.read_exact(&mut head)?;
    let (entries, bytes, saved) = parse_header(&head)?;
    if bytes != length {
        return Err(damaged(format!(
            "it has {length} bytes, not the {bytes} that were written"
        )));
    }
    let away = wall_clock().saturating_sub(saved);
    let (mut at, mut sum, mut found) = (HEADER as u64, 0, 0);
    let mut block = Vec::new();
    while at < length {
        let (size, expected) = (
            u32::from_le_bytes(take(&mut file)?),
            u32::from_le_bytes(take(&mut file)?),
        );
        if u64::from(size) > length - at {
            return Err(damaged(format!("a block at byte {at} is longer than the file")));
        }
        block.resize(size as usize, 0);
        file.read_exact(&mut block)?;
        sum = checksum(sum, size, &block);
        if sum != expected {
            return Err(damaged(format!("the checksum of the block at byte {at} is wrong")));
        }
        found += parse(&block, &mut |record, tags| each(record, tags, away))
            .ok_or_else(|| damaged(format!("a record in the block at byte {at} has no sense")))?;
        at += 8 + u64::from(size);
    }
    match found == entries {
        true => Ok(()),
        false => Err(damaged(format!(
            "it has {found} entries, not the {entries} that were written"
        ))),
    }
}

/// Gives each record of a block; how many there are, if all have sense.
fn parse(block: &[u8], each: &mut dyn FnMut(Record<'_>, &[&[u8]])) -> Option<u64> {
    let mut rest = block;
    let mut count = 0;
    while !rest.is_empty() {
        let mut lengths = [0; 4];
        for length in &mut lengths {
            *length = u32::from_le_bytes(*part(&mut rest)?) as usize;
        }
        let mut numbers = [0; 4];
        for number in &mut numbers {
            *number = u64::from_le_bytes(*part(&mut rest)?);
        }
        let [uses] = *part(&mut rest)?;
        let [key, meta, value, tags] = lengths;
        let [version, age, fresh_for, left] = numbers;
        let (key, meta, value) = (
            slice(&mut rest, key)?,
            slice(&mut rest, meta)?,
            slice(&mut rest, value)?,
        );
        let mut tag = || {
            let length = u32::from_le_bytes(*part(&mut rest)?);
            slice(&mut rest, length as usize)
        };
        let tags = (0..tags).map(|_| tag()).collect::<Option<Vec<_>>>()?;
        each(
            Record {
                key,
                meta,
                value,
                version,
                uses,
                age,
                fresh_for,
                left,
            },
            &tags,
        );
        count += 1;
    }
    Some(count)
}

fn slice<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn part<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(taken)
}

fn header(entries: u64, bytes: u64, saved: u64) -> [u8; HEADER] {
    let mut head = [0; HEADER];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    for (index, number) in [entries, bytes, saved].into_iter().enumerate() {
        head[16 + 8 * index..24 + 8 * index].copy_from_slice(&number.to_le_bytes());
    }
    let sum = crc32c::crc32c(&head);
    head[12..16].copy_from_slice(&sum.to_le_bytes());
    head
}

fn parse_header(head: &[u8; HEADER]) -> io::Result<(u64, u64, u64)> {
    let mut rest = &head[8..];
    let mut fields = || {
        Some((
            part(&mut rest)?,
            slice(&mut rest, 4)?,
            part(&mut rest)?,
            part(&mut rest)?,
            part(&mut rest)?,
        ))
    };
    let (version, _, entries, bytes, saved) = fields().ok_or(io::ErrorKind::UnexpectedEof)?;
    if head[..8] != MAGIC {
        return Err(damaged("it was not saved by this cache".to_owned()));
    }
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(damaged(format!(
            "it has format version {version}, and {VERSION} is known"
        )));
    }
    let [entries, bytes, saved] = [entries, bytes, saved].map(|number| u64::from_le_bytes(*number));
    match *head == header(entries, bytes, saved) {
        true => Ok((entries, bytes, saved)),
        false => Err(damaged("the checksum of its header is wrong".to_owned())),
    }
}

fn take(file: &mut impl Read) -> io::Result<[u8; 4]> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn checksum(before: u32, length: u32, block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(before, &length.to_le_bytes()), block)
}

fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn set_aside(path: &Path, error: &io::Error) -> Error {
    let aside = with_suffix(path, ".damaged");
    let moved = fs::rename(path, &aside);
    let path = path.display();
    Error::Cache(match moved {
        Ok(()) => format!(
            "{path} is not used: {error}; it is now {}, and the cache begins empty",
            aside.display()
        ),
        Err(moved) => format!("{path} is not used: {error}; it stays where it is: {moved}"),
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanoseconds)
}
