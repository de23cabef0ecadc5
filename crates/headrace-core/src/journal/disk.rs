//! The disk as the journal sees it, so that tests can put one in its place that forgets, tears and fails.
//!
//! What the journal counts on, and nothing more:
//! - bytes of a file are safe once `sync` on it returned after they were written;
//! - a created, renamed or removed name is safe once `sync_folder` returned after it; before that either may be true;
//! - `rename` replaces the target at once: at any moment the name means the one file or the other.

use std::{
    any::Any,
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FallocateFlags, FlockOperation};

/// An open file. Positions and lengths are bytes from its start.
pub trait File: Send + Sync + fmt::Debug {
    /// Fills as much of `buffer` as there is; fewer bytes than asked for means the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `bytes`. After an error any part of them may have been written.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    /// Makes what was written safe (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
    /// Sets room aside so that later writes below `length` need none. A wish: a file system may not know how.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Cuts the file.
    fn truncate(&self, length: u64) -> io::Result<()>;
    fn length(&self) -> io::Result<u64>;
    /// What tells it from every other file that there is, whatever its name: device and number.
    fn identity(&self) -> io::Result<(u64, u64)>;
}

/// Files in folders.
pub trait Disk: Send + Sync + fmt::Debug {
    /// A new or emptied file, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// A file that is there, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names in `folder` safe.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes the folder, and those above it, where they are not there.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// The names in `folder`, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Bytes that may still be written on the file system of `folder`.
    fn free_space(&self, folder: &Path) -> io::Result<u64>;
    /// Keeps every other process from locking the same file until the value is dropped. `Err(text)` in the result:
    /// another has it, and this is what it wrote into the file, if there was room for it.
    fn lock(&self, path: &Path, text: &str) -> io::Result<Result<Box<dyn Any + Send + Sync>, String>>;
}

/// The operating system's.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(options().create(true).truncate(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(options().open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        fs::File::open(folder)?.sync_all()
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        self.make_folder(parent)?;
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.sync_folder(parent),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn free_space(&self, folder: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(folder)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn lock(&self, path: &Path, text: &str) -> io::Result<Result<Box<dyn Any + Send + Sync>, String>> {
        // Not truncated on opening: what is in it belongs to whoever holds the lock.
        let file = options().create(true).truncate(false).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // The lock holds without its text, and a full disk has no room for it.
                let _ = file.set_len(0).and_then(|()| file.write_all_at(text.as_bytes(), 0));
                Ok(Ok(Box::new(file)))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(Err(io::read_to_string(&file)?)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Payloads are the users': nobody else reads them.
fn options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

impl File for fs::File {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match FileExt::read_at(self, &mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_all_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::empty(), 0, length) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            other => other.map_err(io::Error::from),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn identity(&self) -> io::Result<(u64, u64)> {
        let metadata = self.metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    }
}
