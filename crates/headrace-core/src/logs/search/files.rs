//! The log's files, oldest first, and what they span.
//!
//! The file that is written is opened before the folder is listed: what is rotated meanwhile is then among the others,
//! and is known by its inode for the one that is open.

use std::{
    collections::HashMap,
    fs,
    io::Result,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use super::{late, pieces::Pieces, stream};
use crate::logs::line::Format;

/// A rotated file that was changed so lately may still be on its way to its last form, or its side file to its name.
const SETTLED: Duration = Duration::from_secs(10);

/// Where the log is: the path of the file that is written. Others are beside it.
pub(super) struct Folder {
    path: PathBuf,
    /// What is known of rotated files, which do not change.
    known: Mutex<HashMap<PathBuf, Extent>>,
}

/// What a file spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Checksum of the first line, by which cursors know the file again.
    pub(super) id: u32,
    /// First and last time of the lines that are in order.
    pub(super) times: Option<(i64, i64)>,
    /// Earliest and latest time of the late ones.
    pub(super) late: Option<(i64, i64)>,
}

/// A file of the log, and the late lines in it.
pub(super) struct Opened<'a> {
    pub(super) main: Pieces<'a>,
    pub(super) side: Option<Pieces<'a>>,
}

/// A file that a search may have to open.
pub(super) struct Found<'a> {
    path: PathBuf,
    pub(super) extent: Extent,
    /// The file that is written is open from the start, as it may soon have another name.
    opened: Option<Opened<'a>>,
    read: &'a AtomicU64,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        let known = Mutex::default();
        Self { path, known }
    }

    /// All files in the order in which they were written, and the names of those that cannot be read.
    pub(super) fn find<'a>(&self, format: &Format, read: &'a AtomicU64) -> Result<(Vec<Found<'a>>, Vec<String>)> {
        let (mut found, mut unreadable) = (Vec::new(), Vec::new());
        let current = self.open_current(read)?;
        let inode = current
            .as_ref()
            .and_then(|opened| opened.main.file().metadata().ok())
            .map(|file| file.ino());
        for path in self.rotated()? {
            let same = fs::metadata(&path).is_ok_and(|file| Some(file.ino()) == inode);
            match self.look_at(&path, format, read) {
                Ok(Some(extent)) if !same => found.push(Found {
                    path,
                    extent,
                    opened: None,
                    read,
                }),
                Ok(_) => {}
                Err(_) => unreadable.push(name_of(&path)),
            }
        }
        if let Some(opened) = current {
            let extent = Extent::of(&opened, format)?;
            let path = self.path.clone();
            found.push(Found {
                path,
                extent,
                opened: Some(opened),
                read,
            });
        }
        Ok((found, unreadable))
    }

    /// The file that is written, and the side file that belongs to it and not to the one after it.
    pub(super) fn open_current<'a>(&self, read: &'a AtomicU64) -> Result<Option<Opened<'a>>> {
        loop {
            let opened = Opened::at(&self.path, read)?;
            let inode = fs::metadata(&self.path).ok().map(|file| file.ino());
            let ours = opened
                .as_ref()
                .and_then(|opened| opened.main.file().metadata().ok())
                .map(|file| file.ino());
            if opened.is_none() || inode == ours {
                return Ok(opened);
            }
        }
    }

    /// The paths of rotated files before compression, as their names follow one another.
    fn rotated(&self) -> Result<Vec<PathBuf>> {
        let stem = format!("{}-", self.path.file_stem().unwrap_or_default().to_string_lossy());
        let end = self
            .path
            .extension()
            .map(|end| format!(".{}", end.to_string_lossy()))
            .unwrap_or_default();
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut names = Vec::new();
        let listed = match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        for entry in listed {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let plain = name.strip_suffix(".zst").unwrap_or(&name);
            let middle = plain.strip_prefix(&stem).and_then(|rest| rest.strip_suffix(&end));
            if middle.is_some_and(is_stamp) {
                names.push(folder.join(plain));
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn look_at(&self, path: &Path, format: &Format, read: &AtomicU64) -> Result<Option<Extent>> {
        let known = |path: &Path| {
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(path)
                .copied()
        };
        if let Some(extent) = known(path) {
            return Ok(Some(extent));
        }
        let Some(opened) = Opened::at(path, read)? else {
            return Ok(None);
        };
        let extent = Extent::of(&opened, format)?;
        let age = opened.main.file().metadata()?.modified()?.elapsed().unwrap_or_default();
        if age > SETTLED {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(path.to_owned(), extent);
        }
        Ok(Some(extent))
    }

    /// Forgets files that are gone.
    pub(super) fn forget(&self, kept: &[Found<'_>]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > kept.len() {
            known.retain(|path, _| kept.iter().any(|found| found.path == *path));
        }
    }
}

impl<'a> Opened<'a> {
    /// Late lines are noted before they are written, so the side file is opened after the other.
    fn at(path: &Path, read: &'a AtomicU64) -> Result<Option<Self>> {
        let Some(main) = Pieces::open(path, read)? else {
            return Ok(None);
        };
        let mut side = path.as_os_str().to_owned();
        side.push(".late");
        let side = Pieces::open(side.as_ref(), read)?;
        Ok(Some(Self { main, side }))
    }
}

impl<'a> Found<'a> {
    /// The file, opened; none when it is gone meanwhile.
    pub(super) fn open(&mut self) -> Result<Option<Opened<'a>>> {
        match self.opened.take() {
            Some(opened) => Ok(Some(opened)),
            None => Opened::at(&self.path, self.read),
        }
    }

    /// Looks into the side file, if there is one.
    pub(super) fn look_aside(&mut self, look: impl FnOnce(&Pieces<'a>) -> Result<()>) -> Result<()> {
        self.opened = self.open()?;
        self.opened
            .as_ref()
            .and_then(|opened| opened.side.as_ref())
            .map_or(Ok(()), look)
    }

    pub(super) fn name(&self) -> String {
        name_of(&self.path)
    }
}

impl Extent {
    fn of(opened: &Opened<'_>, format: &Format) -> Result<Self> {
        let (offsets, late) = match &opened.side {
            Some(side) => late::survey(side, format)?,
            None => Default::default(),
        };
        let (id, times) = stream::span(&opened.main, &offsets, format)?;
        Ok(Self { id, times, late })
    }
}

/// Whether it is what rotation puts into names: `YYYYMMDD-HHMMSS-NNNN`.
fn is_stamp(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut digits = |least: usize| {
        parts
            .next()
            .is_some_and(|part| part.len() >= least && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    digits(8) && digits(6) && digits(1) && parts.next().is_none()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
