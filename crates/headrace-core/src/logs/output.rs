//! The log file and its side file, as a checkpoint knows them.
//!
//! They only grow, and what is behind the checkpoint's lengths is cut off when they are opened again: it will be written
//! once more. A file that is not the checkpoint's (moved away, removed, from before) is gone on with at its end.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    checkpoint::{Checkpoint, Extent},
    rotation::SIDE,
};
use crate::journal::disk::{Disk, File};

/// Where a log file is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) main: PathBuf,
    side: PathBuf,
}

impl Place {
    pub(super) fn new(disk: Arc<dyn Disk>, main: PathBuf) -> Self {
        let side = with_suffix(&main, SIDE);
        Self { disk, main, side }
    }

    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.main)
    }

    /// The file's name in its folder.
    pub(super) fn name(&self) -> String {
        self.main
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Renames the files that are those of `checkpoint` to what it says they are being renamed to. Done again after a
    /// crash it does what is left to be done.
    pub(super) fn rename(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let target = self.folder().join(&checkpoint.rotating);
        for (from, to, extent) in [
            (&self.side, with_suffix(&target, SIDE), checkpoint.side),
            (&self.main, target, checkpoint.main),
        ] {
            let there = self.identity(from)?;
            if there.is_some() && there == Some(extent.identity) {
                self.disk.rename(from, &to).map_err(failed("renamed", from))?;
            }
        }
        self.disk
            .sync_folder(self.folder())
            .map_err(failed("written", self.folder()))
    }

    /// What is known of the side file, if there is one that belongs to the main file.
    fn known_side(&self, checkpoint: &Checkpoint) -> io::Result<Option<Extent>> {
        let Some(identity) = self.identity(&self.side)? else {
            return Ok(None);
        };
        let first_start = checkpoint.main == Extent::default();
        if first_start || identity == checkpoint.side.identity {
            return Ok(Some(checkpoint.side));
        }
        if self.identity(&self.main)? == Some(checkpoint.main.identity) {
            // It was begun after the checkpoint.
            return Ok(Some(Extent { identity, length: 0 }));
        }
        // It tells of lines of a file that was moved away.
        let old = with_suffix(&self.side, ".old");
        self.disk
            .rename(&self.side, &old)
            .map_err(failed("renamed", &self.side))?;
        Ok(None)
    }

    /// Which file has this name, if one has.
    fn identity(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        match self.disk.open(path).and_then(|file| file.identity()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(failed("opened", path)),
        }
    }
}

/// Both files, open.
#[derive(Debug)]
pub(super) struct Output {
    place: Place,
    main: Tail,
    side: Option<Tail>,
}

impl Output {
    /// Opens the files as `checkpoint` knows them, the folder and an empty main file made where they are missing.
    pub(super) fn open(place: &Place, checkpoint: &Checkpoint) -> io::Result<Self> {
        let disk = &*place.disk;
        disk.make_folder(place.folder())
            .map_err(failed("made", place.folder()))?;
        let side = place.known_side(checkpoint)?;
        let main = Tail::open(disk, &place.main, checkpoint.main)?;
        let side = side.map(|known| Tail::open(disk, &place.side, known)).transpose()?;
        let place = place.clone();
        Ok(Self { place, main, side })
    }

    pub(super) fn main(&self) -> Extent {
        self.main.extent
    }

    pub(super) fn side(&self) -> Extent {
        self.side.as_ref().map(|side| side.extent).unwrap_or_default()
    }

    /// Appends whole lines, and to the side file which of them are late.
    pub(super) fn append(&mut self, lines: &[u8], late: &[u8]) -> io::Result<()> {
        if !late.is_empty() {
            if self.side.is_none() {
                self.side = Some(Tail::open(&*self.place.disk, &self.place.side, Extent::default())?);
            }
            if let Some(side) = &mut self.side {
                side.append(late).map_err(failed("written", &self.place.side))?;
            }
        }
        self.main.append(lines).map_err(failed("written", &self.place.main))
    }

    /// Makes safe what was appended, and sees to it that it is where it is looked for: files that were moved away or
    /// removed since would take it with them.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        for (tail, path) in [
            (Some(&mut self.main), &self.place.main),
            (self.side.as_mut(), &self.place.side),
        ] {
            let Some(tail) = tail.filter(|tail| tail.dirty) else {
                continue;
            };
            tail.file.sync().map_err(failed("written", path))?;
            tail.dirty = false;
            if self.place.identity(path)? == Some(tail.extent.identity) {
                tail.safe = tail.extent.length;
            } else {
                // What it has now is written to the new one.
                tail.file.truncate(tail.safe).map_err(failed("cut", path))?;
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("{} was moved or removed: it is made again", path.display()),
                ));
            }
        }
        Ok(())
    }
}

/// A file that grows.
#[derive(Debug)]
struct Tail {
    file: Box<dyn File>,
    extent: Extent,
    /// How long it was when all of it was safe.
    safe: u64,
    dirty: bool,
}

impl Tail {
    /// Opens or makes the file; what is behind the known length is cut off, or the end of another file made one of a line.
    fn open(disk: &dyn Disk, path: &Path, known: Extent) -> io::Result<Self> {
        let file = match disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(path).map_err(failed("made", path))?,
            opened => opened.map_err(failed("opened", path))?,
        };
        // One that is there, too: it may have been made when its name could not be made safe.
        disk.sync_folder(folder_of(path)).map_err(failed("made", path))?;
        let mut extent = Extent {
            identity: file.identity()?,
            length: file.length()?,
        };
        if extent.identity == known.identity && extent.length >= known.length {
            // Safely, and where it seems cut already, too: it may be renamed before it is written to again.
            let cut = file.truncate(known.length).and_then(|()| file.sync());
            cut.map_err(failed("cut", path))?;
            extent = known;
        } else {
            extent.length += end_line(&*file, extent.length).map_err(failed("written", path))?;
        }
        Ok(Self {
            file,
            extent,
            safe: extent.length,
            dirty: false,
        })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(bytes, self.extent.length)?;
        self.extent.length += bytes.len() as u64;
        self.dirty = true;
        Ok(())
    }
}

/// Ends a line that is not whole; how many bytes that took.
fn end_line(file: &dyn File, length: u64) -> io::Result<u64> {
    let mut last = [b'\n'];
    if length > 0 {
        file.read_at(&mut last, length - 1)?;
    }
    if last == [b'\n'] {
        return Ok(0);
    }
    file.write_at(b"\n", length)?;
    file.sync()?;
    Ok(1)
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Says what could not be done with which file.
pub(super) fn failed(done: &str, path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{} cannot be {done}: {error}", path.display()))
}
