//! A folder in memory for the journal, which never fails and counts what is read.

use std::{
    any::Any,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use headrace_core::journal::disk::{Disk, File};

/// Far above what the journal of a fuzzed input needs.
const ROOM: u64 = 64 << 20;

#[derive(Debug, Default, Clone)]
struct Content {
    bytes: Arc<Mutex<Vec<u8>>>,
    read: Arc<AtomicU64>,
}

impl Content {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default, Clone)]
pub struct Folder {
    files: Arc<Mutex<BTreeMap<PathBuf, Content>>>,
    read: Arc<AtomicU64>,
}

impl Folder {
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Content>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file with these bytes, whatever had the name.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let content = Content {
            bytes: Arc::new(Mutex::new(bytes.to_vec())),
            read: Arc::clone(&self.read),
        };
        self.files().insert(path.to_owned(), content);
    }

    /// All files, by path.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = self.files();
        files
            .iter()
            .map(|(path, content)| (path.clone(), content.bytes().clone()))
            .collect()
    }

    /// Bytes in all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files().values().map(|content| content.bytes().len() as u64).sum()
    }

    /// Bytes that were read so far.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }
}

impl Disk for Folder {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.put(path, b"");
        self.open(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let content = self.files().get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(content))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files();
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files()
            .remove(path)
            .map(drop)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn make_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _folder: &Path) -> io::Result<Vec<String>> {
        let files = self.files();
        let names = files.keys().filter_map(|path| path.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn free_space(&self, _folder: &Path) -> io::Result<u64> {
        Ok(ROOM.saturating_sub(self.size()))
    }

    fn lock(&self, _path: &Path, _text: &str) -> io::Result<Result<Box<dyn Any + Send + Sync>, String>> {
        Ok(Ok(Box::new(())))
    }
}

impl File for Content {
    fn identity(&self) -> io::Result<(u64, u64)> {
        Ok((0, Arc::as_ptr(&self.bytes).addr() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let bytes = self.bytes();
        let rest = bytes.get(position as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.read.fetch_add(length as u64, Relaxed);
        Ok(length)
    }

    fn write_at(&self, new: &[u8], position: u64) -> io::Result<()> {
        let end = position + new.len() as u64;
        if end > ROOM {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut bytes = self.bytes();
        if (bytes.len() as u64) < end {
            bytes.resize(end as usize, 0);
        }
        bytes[position as usize..end as usize].copy_from_slice(new);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut bytes = self.bytes();
        if (bytes.len() as u64) < length {
            bytes.resize(length.min(ROOM) as usize, 0);
        }
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.bytes().resize(length.min(ROOM) as usize, 0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }
}
