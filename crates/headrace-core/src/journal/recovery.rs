//! Opening a folder: what a process that ended in any way left behind becomes a journal again.
//!
//! Every segment is read once from its start, the last one twice; memory is one record and what the backlog needs.
//! What is found may be in the kernel's memory only, contents and names alike: it is made safe before anyone builds on it.
//! Nothing is removed but files that never got a safe header. A segment with a hole in it is copied to
//! `{name}.damaged` before it can be removed with the rest; one whose header is lost is renamed to that.
//! A new segment is only begun when something is appended: a full disk can be opened and drained.

use std::{
    any::Any,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    Health, Options,
    backlog::Range,
    disk::{Disk, File},
    scan::{self, Known, Walk},
    seals::{self, Notes, Seals},
    segment::{self, Header, Kind, MAX_LENGTH, Opening, START, UNFINISHED, with_suffix},
    state::{self, State},
};
use crate::error::Error;

const LOCK: &str = "lock";
const DAMAGED: &str = ".damaged";
/// No payload takes fewer bytes on disk.
const MIN_PAYLOAD: u64 = 4;
/// How much is copied at once.
const PIECE: usize = 1 << 20;

/// What was not as it should be in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file it was found in.
    pub file: String,
    /// Bytes that had been safe and are no whole records any more, and in how many places.
    pub bytes: u64,
    pub holes: u32,
    /// Where a copy of the file is, or the file itself; empty when there was no room for a copy.
    pub copy: String,
}

/// What opening found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Segments, and records and payloads in them, landed or not.
    pub segments: usize,
    pub records: u64,
    pub payloads: u64,
    /// Payloads that have not landed, and how many seals stand.
    pub unlanded: u64,
    pub sealed: usize,
    /// Bytes of a write that was cut short. Nothing of it had been acknowledged.
    pub torn: u64,
    /// Files that a disk or a hand has changed.
    pub damaged: Vec<Damage>,
}

/// Nobody else may open the folder as long as the result lives.
pub(super) fn lock(folder: &Path, disk: &dyn Disk) -> Result<Box<dyn Any + Send + Sync>, Error> {
    let pid = std::process::id().to_string();
    match disk.lock(&folder.join(LOCK), &pid) {
        Ok(Ok(lock)) => Ok(lock),
        Ok(Err(holder)) => Err(Error::Journal(format!(
            "the journal in {} is in use by process {}: stop that one first, or choose another folder",
            folder.display(),
            holder.trim()
        ))),
        Err(error) => Err(unreadable(folder, &error)),
    }
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Journal(format!("the journal in {} cannot be opened: {error}", path.display()))
}

/// Not damage: what is in it may come back.
fn broken(path: &Path, error: &io::Error) -> Error {
    Error::Journal(format!(
        "{} cannot be recovered: {error}; mend the disk, or move the file away and go on without what is in it",
        path.display()
    ))
}

/// What the files in a folder stand for.
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) seals: Seals,
    /// What the next segment's header says of the one before it.
    pub(super) previous: (u64, u64),
    pub(super) report: Recovery,
}

/// Reads all there is in `folder`, where `names` are.
pub(super) fn recover(folder: &Path, names: &[String], options: &Options, disk: &dyn Disk) -> Result<Recovered, Error> {
    let mut recovering = Recovering {
        folder,
        disk,
        state: State::default(),
        report: Recovery::default(),
    };
    let headers = recovering.headers(names)?;
    let notes = recovering.notes_file(names)?;
    recovering.remove_unfinished(names)?;
    let notes = recovering.notes(notes)?;
    let least = notes.next_payload().max(recovering.after_set_aside(names)?);
    let previous = recovering.segments(&headers, least)?;
    disk.sync_folder(folder).map_err(|error| unreadable(folder, &error))?;
    let Recovering {
        mut state, mut report, ..
    } = recovering;
    let seals = notes.apply(&mut state.backlog, oldest(names));
    state.count_pinned();
    state.landed = true;
    report.segments = state.segments.len();
    report.unlanded = state.backlog.payloads();
    if let Ok(free) = disk.free_space(folder)
        && free < options.reserve_bytes
    {
        let reserve = options.reserve_bytes;
        state.health = Health::DiskFull(format!("{free} bytes are free, {reserve} are left to others"));
    }
    report.sealed = seals.standing.len();
    Ok(Recovered {
        state,
        seals,
        previous,
        report,
    })
}

/// What is below this number was removed because it had landed. Of a segment that was set aside this is not known.
fn oldest(names: &[String]) -> u64 {
    let segments = names.iter().map(|name| name.strip_suffix(DAMAGED).unwrap_or(name));
    segments.filter_map(segment::first_of).min().unwrap_or(0)
}

/// A file of notes and its header, where that can be read.
type NotesFile = (Box<dyn File>, Option<Header>);

struct Recovering<'a> {
    folder: &'a Path,
    disk: &'a dyn Disk,
    state: State,
    report: Recovery,
}

impl Recovering<'_> {
    /// The headers of all segments by first number. `None`: it cannot be read.
    fn headers(&self, names: &[String]) -> Result<BTreeMap<u64, Option<Header>>, Error> {
        let firsts = names.iter().filter_map(|name| segment::first_of(name));
        firsts.map(|first| Ok((first, self.header(first)?))).collect()
    }

    fn header(&self, first: u64) -> Result<Option<Header>, Error> {
        let path = self.path_of(first);
        let file = self.disk.open(&path).map_err(|error| broken(&path, &error))?;
        match Header::read(&*file, Kind::Payloads).map_err(|error| broken(&path, &error))? {
            Opening::Known(header) if header.first == first => Ok(Some(header)),
            Opening::Known(_) | Opening::Damaged => Ok(None),
            Opening::Version(version) => Err(unknown_version(&path, version)),
        }
    }

    /// The file of what a consumer noted, if there is one.
    fn notes_file(&self, names: &[String]) -> Result<Option<NotesFile>, Error> {
        if !names.iter().any(|name| name == seals::NAME) {
            return Ok(None);
        }
        let path = self.folder.join(seals::NAME);
        let file = self.disk.open(&path).map_err(|error| broken(&path, &error))?;
        match Header::read(&*file, Kind::Notes).map_err(|error| broken(&path, &error))? {
            Opening::Known(header) => Ok(Some((file, Some(header)))),
            Opening::Damaged => Ok(Some((file, None))),
            Opening::Version(version) => Err(unknown_version(&path, version)),
        }
    }

    /// What a consumer noted; nothing where no notes are.
    fn notes(&mut self, file: Option<NotesFile>) -> Result<Notes, Error> {
        let Some((file, header)) = file else {
            return Ok(Notes::default());
        };
        let path = self.folder.join(seals::NAME);
        let read = |error| broken(&path, &error);
        let notes = match header {
            Some(header) => Notes::read(&*file, &header).map_err(read)?,
            None => Notes::lost(file.length().map_err(read)?),
        };
        rewrite(&*file, notes.extent.end).map_err(read)?;
        if notes.extent.holes > 0 {
            self.set_copy_aside(&*file, &path, &notes.extent);
        }
        self.report.torn += notes.extent.torn;
        Ok(notes)
    }

    fn remove_unfinished(&self, names: &[String]) -> Result<(), Error> {
        for name in names.iter().filter(|name| name.ends_with(UNFINISHED)) {
            let path = self.folder.join(name);
            self.disk.remove(&path).map_err(|error| broken(&path, &error))?;
        }
        Ok(())
    }

    /// A number above all that may be in files that were set aside: none of them is given again.
    fn after_set_aside(&self, names: &[String]) -> Result<u64, Error> {
        let mut next = 1;
        for name in names {
            if let Some(first) = name.strip_suffix(DAMAGED).and_then(segment::first_of) {
                let path = self.folder.join(name);
                let length = self.disk.open(&path).and_then(|file| file.length());
                let length = length.map_err(|error| broken(&path, &error))?;
                next = next.max(first + length / MIN_PAYLOAD);
            }
        }
        Ok(next)
    }

    /// Takes all records; what the next segment's header has to say of the one before it.
    fn segments(&mut self, headers: &BTreeMap<u64, Option<Header>>, least: u64) -> Result<(u64, u64), Error> {
        self.state.next = least;
        let ends: BTreeMap<u64, u64> = headers.values().flatten().map(|header| header.previous).collect();
        for (first, header) in headers {
            self.state.next = self.state.next.max(*first);
            match header {
                Some(header) => self.segment(header, ends.get(first).copied())?,
                None => self.set_header_aside(*first)?,
            }
        }
        self.state.next = self.state.next.max(self.state.safe + 1);
        let newest = self.state.segments.last_key_value();
        Ok(match newest.map(|(first, extent)| (*first, extent.end)) {
            // It is empty, and its name is the next one's.
            Some((first, _)) if first == self.state.next => {
                let header = headers.get(&first).and_then(Option::as_ref);
                header.map_or((0, 0), |header| header.previous)
            }
            newest => newest.unwrap_or((0, 0)),
        })
    }

    fn segment(&mut self, header: &Header, end: Option<u64>) -> Result<(), Error> {
        let first = header.first;
        let path = self.path_of(first);
        let file = self.disk.open(&path).map_err(|error| broken(&path, &error))?;
        let length = file.length().map_err(|error| broken(&path, &error))?;
        let walk = Walk::new(
            header.salt,
            first.max(self.state.safe + 1),
            START,
            length.min(MAX_LENGTH),
        );
        let mut extent = state::Extent {
            salt: header.salt,
            end: START,
            last: first - 1,
            newest: header.made,
        };
        let (state, report) = (&mut self.state, &mut self.report);
        let known = end.map_or(Known::Safe(0), Known::End);
        let found = scan::examine(&*file, walk, known, |_, head, _| {
            extent.last = head.last();
            extent.newest = extent.newest.max(head.time);
            report.records += 1;
            report.payloads += u64::from(head.payloads);
            state.backlog.push(Range {
                stream: head.stream,
                first: head.first,
                last: head.last(),
            });
        });
        let found = found.map_err(|error| broken(&path, &error))?;
        extent.end = found.end;
        match end {
            None => rewrite(&*file, found.end).map_err(|error| broken(&path, &error))?,
            // Room that a crash kept from being given back.
            Some(end) if end < length => drop(file.truncate(end)),
            Some(_) => {}
        }
        self.state.safe = self.state.safe.max(extent.last);
        self.state.segments.insert(first, extent);
        self.report.torn += found.torn;
        // Numbers in what was cut are not given again. It was not acknowledged, unless a disk or a hand changed it.
        self.state.next = self.state.next.max(extent.last + 1 + found.torn / MIN_PAYLOAD);
        if found.holes > 0 {
            self.set_copy_aside(&*file, &path, &found);
        }
        Ok(())
    }

    /// A file without a readable header is not a segment any more.
    fn set_header_aside(&mut self, first: u64) -> Result<(), Error> {
        let path = self.path_of(first);
        let copy = with_suffix(&path, DAMAGED);
        let moved = self.disk.open(&path).and_then(|file| {
            let length = file.length()?;
            self.disk.rename(&path, &copy)?;
            self.disk.sync_folder(self.folder)?;
            Ok(length)
        });
        let length = moved.map_err(|error| broken(&path, &error))?;
        self.state.next = self.state.next.max(first + length / MIN_PAYLOAD);
        self.report.damaged.push(Damage {
            file: segment::name(first),
            bytes: length,
            holes: 1,
            copy: copy.display().to_string(),
        });
        Ok(())
    }

    /// Keeps a copy of a segment with holes: the segment itself goes when the rest of it has landed.
    fn set_copy_aside(&mut self, file: &dyn File, path: &Path, found: &scan::Extent) {
        let copy = with_suffix(path, DAMAGED);
        let copied = self.disk.open(&copy).map(drop).or_else(|_| self.copy(file, &copy));
        if copied.is_err() {
            let _ = self.disk.remove(&copy);
        }
        self.report.damaged.push(Damage {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: found.damaged,
            holes: found.holes,
            copy: copied.map_or_else(|_| String::new(), |()| copy.display().to_string()),
        });
    }

    fn copy(&self, from: &dyn File, path: &Path) -> io::Result<()> {
        let unfinished = with_suffix(path, UNFINISHED);
        let to = self.disk.create(&unfinished)?;
        let mut piece = vec![0; PIECE];
        let mut position = 0;
        loop {
            let read = from.read_at(&mut piece, position)?;
            if read == 0 {
                break;
            }
            to.write_at(&piece[..read], position)?;
            position += read as u64;
        }
        to.sync()?;
        self.disk.rename(&unfinished, path)?;
        self.disk.sync_folder(self.folder)
    }

    fn path_of(&self, first: u64) -> PathBuf {
        self.folder.join(segment::name(first))
    }
}

/// Makes safe what was read. After a failed sync the kernel takes for written what is not: only writing it once more
/// brings it to the disk.
fn rewrite(file: &dyn File, end: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut position = START;
    while position < end {
        let length = (end - position).min(PIECE as u64) as usize;
        let read = file.read_at(&mut piece[..length], position)?;
        if read == 0 {
            break;
        }
        file.write_at(&piece[..read], position)?;
        position += read as u64;
    }
    file.sync()
}

fn unknown_version(path: &Path, version: u32) -> Error {
    Error::Journal(format!(
        "{} was written in format {version}, and this headrace knows format {}: open it with the version that wrote it",
        path.display(),
        segment::VERSION
    ))
}
