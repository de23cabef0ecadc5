//! For tests: a disk in memory that keeps apart what was written and what is safe.
//!
//! A crash keeps any part of what was not synced, in pieces of a sector: a write may arrive in part, a later one without
//! an earlier one, a name without its file's bytes or the other way round. A failed sync leaves any part of the file
//! written, and the next sync then says that all is well, as Linux does. A call that fails may have done its work all the
//! same. The disk can be full, and it can die after a number of calls, which is a crash at any moment between two of them.

mod content;
mod names;
mod random;
mod stepped;

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use self::{content::Content, names::Names};
pub(crate) use self::{random::Random, stepped::SteppedJournal};
use super::disk::{Disk, File};

struct World {
    random: Random,
    files: BTreeMap<u64, Content>,
    names: Names,
    locks: BTreeSet<PathBuf>,
    /// Handles from before a crash belong to another age and do nothing.
    age: u64,
    next_file: u64,
    capacity: u64,
    /// How many more calls succeed; every one after that fails.
    calls_left: Option<u64>,
    /// One call in so many fails, of those that read and those that change something; 0: none.
    failing_reads: u64,
    failing_changes: u64,
    /// After so many more calls that change something, one fails.
    changes_left: Option<u64>,
    bytes_read: u64,
    /// What another process does while it still has the folder.
    before_lock: Option<Box<dyn FnOnce() + Send>>,
}

#[derive(Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<World>>);

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedDisk")
    }
}

impl SimulatedDisk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            random: Random(seed),
            files: BTreeMap::new(),
            names: Names::default(),
            locks: BTreeSet::new(),
            age: 0,
            next_file: 0,
            capacity: u64::MAX,
            calls_left: None,
            failing_reads: 0,
            failing_changes: 0,
            changes_left: None,
            bytes_read: 0,
            before_lock: None,
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// After so many more calls the disk is dead until the next crash.
    pub(crate) fn die_after(&self, calls: u64) {
        self.world().calls_left = Some(calls);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.world().calls_left == Some(0)
    }

    /// One call in `times` fails of those that change something: writes, syncs, names. 0: none.
    pub(crate) fn fail_changes(&self, times: u64) {
        self.world().failing_changes = times;
    }

    /// The same for those that read.
    pub(crate) fn fail_reads(&self, times: u64) {
        self.world().failing_reads = times;
    }

    /// After `calls` more that change something, one fails for want of room.
    pub(crate) fn fail_change_after(&self, calls: u64) {
        self.world().changes_left = Some(calls);
    }

    pub(crate) fn before_lock(&self, act: impl FnOnce() + Send + 'static) {
        self.world().before_lock = Some(Box::new(act));
    }

    /// The names of all files, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let world = self.world();
        let names = world.names.paths().filter_map(|path| path.file_name()?.to_str());
        names.map(str::to_owned).collect()
    }

    /// The names of segments, in order.
    pub(crate) fn segments(&self) -> Vec<String> {
        let mut names = self.names();
        names.retain(|name| name.ends_with(".journal"));
        names
    }

    pub(crate) fn set_capacity(&self, bytes: u64) {
        self.world().capacity = bytes;
    }

    pub(crate) fn used(&self) -> u64 {
        self.world().used()
    }

    /// How many bytes were read since this was asked the last time.
    pub(crate) fn take_bytes_read(&self) -> u64 {
        std::mem::take(&mut self.world().bytes_read)
    }

    /// The power goes: what was not safe may be there or not, piece by piece.
    pub(crate) fn lose_power(&self) {
        let mut world = self.world();
        let World {
            random, files, names, ..
        } = &mut *world;
        names.lose_power(random);
        for content in files.values_mut() {
            content.settle(random);
            content.forget();
        }
        world.begin_age();
    }

    /// The process is killed: the kernel still has all that was written.
    pub(crate) fn kill(&self) {
        self.world().begin_age();
    }

    /// Changes one bit of any file; false where there is nothing to change.
    pub(crate) fn flip_a_bit(&self, random: &mut Random) -> bool {
        let mut world = self.world();
        let files: Vec<u64> = world.names.files().into_iter().collect();
        let file = files.get(random.below(files.len() as u64) as usize);
        let content = file.and_then(|file| world.files.get_mut(file));
        content.is_some_and(|content| content.flip_a_bit(random))
    }
}

impl World {
    fn used(&self) -> u64 {
        let files = self.names.files();
        let contents = files.iter().filter_map(|file| self.files.get(file));
        contents.map(|content| content.seen().len() as u64).sum()
    }

    fn begin_age(&mut self) {
        self.age += 1;
        self.locks.clear();
        self.calls_left = None;
        (self.failing_reads, self.failing_changes) = (0, 0);
        self.changes_left = None;
    }

    /// Whether this call happens at all.
    fn call(&mut self, age: u64) -> io::Result<()> {
        if self.age != age {
            return Err(io::Error::other("a handle from before the crash"));
        }
        match &mut self.calls_left {
            Some(0) => return Err(io::Error::other("the disk is dead")),
            Some(calls) => *calls -= 1,
            None => {}
        }
        Ok(())
    }

    fn read_fault(&mut self) -> io::Result<()> {
        match self.failing_reads {
            times if times > 0 && self.random.once_in(times) => Err(io::Error::other("read failed")),
            _ => Ok(()),
        }
    }

    fn change_fault(&mut self) -> Option<io::Error> {
        match &mut self.changes_left {
            Some(0) => {
                self.changes_left = None;
                return Some(io::ErrorKind::StorageFull.into());
            }
            Some(calls) => *calls -= 1,
            None => {}
        }
        if self.failing_changes == 0 || !self.random.once_in(self.failing_changes) {
            return None;
        }
        Some(match self.random.below(3) {
            0 => io::ErrorKind::StorageFull.into(),
            _ => io::Error::other("change failed"),
        })
    }

    /// Changes names, or fails, and then may have changed them or not.
    fn change_names(&mut self, change: impl FnOnce(&mut Names)) -> io::Result<()> {
        let fault = self.change_fault();
        if fault.is_none() || self.random.once_in(2) {
            change(&mut self.names);
        }
        fault.map_or(Ok(()), Err)
    }
}

impl SimulatedDisk {
    fn call(&self) -> io::Result<MutexGuard<'_, World>> {
        let mut world = self.world();
        let age = world.age;
        world.call(age)?;
        Ok(world)
    }

    fn handle(&self, world: &World, file: u64) -> Box<dyn File> {
        Box::new(Handle {
            disk: self.clone(),
            file,
            age: world.age,
        })
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut world = self.call()?;
        world.next_file += 1;
        let file = world.next_file;
        world.files.insert(file, Content::default());
        world.change_names(|names| names.bind(path, file))?;
        Ok(self.handle(&world, file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut world = self.call()?;
        world.read_fault()?;
        let file = world.names.file(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(&world, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.call()?;
        let file = world.names.file(from).ok_or(io::ErrorKind::NotFound)?;
        world.change_names(|names| names.rename(from, to, file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.call()?;
        world.names.file(path).ok_or(io::ErrorKind::NotFound)?;
        world.change_names(|names| names.unbind(path))
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        self.call()?.change_names(Names::sync)
    }

    fn make_folder(&self, _folder: &Path) -> io::Result<()> {
        self.call().map(drop)
    }

    fn list(&self, _folder: &Path) -> io::Result<Vec<String>> {
        let mut world = self.call()?;
        world.read_fault()?;
        let names = world.names.paths().filter_map(|path| path.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn free_space(&self, _folder: &Path) -> io::Result<u64> {
        let world = self.call()?;
        Ok(world.capacity.saturating_sub(world.used()))
    }

    fn lock(&self, path: &Path, _text: &str) -> io::Result<Result<Box<dyn Any + Send + Sync>, String>> {
        let other = self.world().before_lock.take();
        if let Some(act) = other {
            act();
        }
        let mut world = self.call()?;
        if !world.locks.insert(path.to_owned()) {
            return Ok(Err("another".to_owned()));
        }
        Ok(Ok(Box::new(Lock {
            disk: self.clone(),
            path: path.to_owned(),
            age: world.age,
        })))
    }
}

struct Lock {
    disk: SimulatedDisk,
    path: PathBuf,
    age: u64,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut world = self.disk.world();
        if world.age == self.age {
            world.locks.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct Handle {
    disk: SimulatedDisk,
    file: u64,
    age: u64,
}

impl Handle {
    fn call<T>(&self, act: impl FnOnce(&mut World, &mut Content) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.disk.world();
        world.call(self.age)?;
        let mut content = world.files.remove(&self.file).unwrap_or_default();
        let result = act(&mut world, &mut content);
        world.files.insert(self.file, content);
        result
    }
}

/// Whether there is room for this file to have `length`; while a call is in it, the world does not count it.
fn room(world: &World, length: u64) -> io::Result<()> {
    if world.used() + length <= world.capacity {
        Ok(())
    } else {
        Err(io::ErrorKind::StorageFull.into())
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.call(|world, content| {
            world.read_fault()?;
            let rest = content.seen().get(position as usize..).unwrap_or_default();
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            world.bytes_read += length as u64;
            Ok(length)
        })
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.call(|world, content| {
            let end = position + bytes.len() as u64;
            if end > content.seen().len() as u64 {
                room(world, end)?;
            }
            let fault = world.change_fault();
            let written = fault
                .as_ref()
                .map_or(bytes.len(), |_| world.random.below(bytes.len() as u64 + 1) as usize);
            content.write(position, &bytes[..written]);
            fault.map_or(Ok(()), Err)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.call(|world, content| {
            if let Some(fault) = world.change_fault() {
                content.settle(&mut world.random);
                return Err(fault);
            }
            content.sync();
            Ok(())
        })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.call(|world, content| {
            if length > content.seen().len() as u64 {
                room(world, length)?;
                world.change_fault().map_or(Ok(()), Err)?;
                content.set_length(length);
            }
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.call(|world, content| {
            world.change_fault().map_or(Ok(()), Err)?;
            content.set_length(length);
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.call(|_, content| Ok(content.seen().len() as u64))
    }

    fn identity(&self) -> io::Result<(u64, u64)> {
        self.call(|_, _| Ok((0, self.file)))
    }
}
