//! A disk in memory that keeps apart what was written and what is safe.
//!
//! A crash keeps any part of what was not synced, in pieces of a sector: a write may arrive in part, a later one without
//! an earlier one, a name without its file's bytes or the other way round. A failed sync leaves any part of the file
//! written, and the next sync then says that all is well, as Linux does. It can be full, and it can die after a number of
//! calls, which is a crash at any moment between two of them.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use super::super::disk::{Disk, File};

const SECTOR: usize = 512;

/// Numbers that look random, the same ones for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write { position: u64, bytes: Vec<u8> },
    Length(u64),
}

/// One file: what is safe, what a reader sees, what leads from the one to the other.
#[derive(Debug, Default)]
struct Content {
    safe: Vec<u8>,
    seen: Vec<u8>,
    unsafe_changes: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Naming {
    Bind(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Unbind(PathBuf),
}

#[derive(Debug)]
struct World {
    random: Random,
    files: BTreeMap<u64, Content>,
    safe_names: BTreeMap<PathBuf, u64>,
    names: BTreeMap<PathBuf, u64>,
    unsafe_names: Vec<Naming>,
    locks: BTreeSet<PathBuf>,
    /// Handles from before a crash belong to another age and do nothing.
    age: u64,
    next_file: u64,
    capacity: u64,
    /// How many more calls succeed; every one after that fails.
    calls_left: Option<u64>,
    /// One sync or write in so many fails; 0: none.
    failing: u64,
}

#[derive(Clone)]
pub(super) struct SimulatedDisk(Arc<Mutex<World>>);

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedDisk")
    }
}

impl SimulatedDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            random: Random(seed),
            files: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            names: BTreeMap::new(),
            unsafe_names: Vec::new(),
            locks: BTreeSet::new(),
            age: 0,
            next_file: 0,
            capacity: u64::MAX,
            calls_left: None,
            failing: 0,
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// After so many more calls the disk is dead until the next crash.
    pub(super) fn die_after(&self, calls: u64) {
        self.world().calls_left = Some(calls);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.world().calls_left == Some(0)
    }

    pub(super) fn fail_once_in(&self, times: u64) {
        self.world().failing = times;
    }

    pub(super) fn set_capacity(&self, bytes: u64) {
        self.world().capacity = bytes;
    }

    pub(super) fn used(&self) -> u64 {
        self.world().used()
    }

    /// The power goes: what was not safe may be there or not, piece by piece.
    pub(super) fn lose_power(&self) {
        let mut world = self.world();
        let world = &mut *world;
        for naming in std::mem::take(&mut world.unsafe_names) {
            if world.random.once_in(2) {
                naming.apply(&mut world.safe_names);
            }
        }
        world.names = world.safe_names.clone();
        for content in world.files.values_mut() {
            content.settle(&mut world.random);
            content.seen.clone_from(&content.safe);
        }
        world.begin_age();
    }

    /// The process is killed: the kernel still has all that was written.
    pub(super) fn kill(&self) {
        let mut world = self.world();
        world.begin_age();
    }

    /// Changes one bit anywhere; false where there is nothing to change.
    pub(super) fn flip_a_bit(&self, random: &mut Random) -> bool {
        let mut world = self.world();
        let files: Vec<u64> = world.names.values().copied().collect();
        let Some(file) = files.get(random.below(files.len() as u64) as usize) else {
            return false;
        };
        let Some(content) = world.files.get_mut(file).filter(|content| !content.seen.is_empty()) else {
            return false;
        };
        // Most of a segment is room that was set aside: where something is written matters more.
        let used = content.seen.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64 + 1;
        let place = random.below(used) as usize;
        content.seen[place] ^= 1 << random.below(8);
        content.safe.clone_from(&content.seen);
        true
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Bind(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Unbind(path) => {
                names.remove(path);
            }
        }
    }
}

impl Content {
    fn change(&mut self, change: Change) {
        apply(&change, &mut self.seen);
        self.unsafe_changes.push(change);
    }

    /// Any part of what was not safe becomes safe, the rest is lost.
    fn settle(&mut self, random: &mut Random) {
        let mood = random.below(4);
        for change in std::mem::take(&mut self.unsafe_changes) {
            for piece in pieces(change) {
                if mood == 0 || (mood > 1 && random.once_in(2)) {
                    apply(&piece, &mut self.safe);
                }
            }
        }
    }
}

/// A write as the sectors it consists of.
fn pieces(change: Change) -> Vec<Change> {
    let Change::Write { position, bytes } = change else {
        return vec![change];
    };
    let (mut position, mut rest) = (position, &bytes[..]);
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = (SECTOR - position as usize % SECTOR).min(rest.len());
        let (sector, later) = rest.split_at(length);
        pieces.push(Change::Write {
            position,
            bytes: sector.to_vec(),
        });
        position += length as u64;
        rest = later;
    }
    pieces
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    match change {
        Change::Length(length) => bytes.resize(*length as usize, 0),
        Change::Write { position, bytes: new } => {
            let end = *position as usize + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*position as usize..end].copy_from_slice(new);
        }
    }
}

impl World {
    fn used(&self) -> u64 {
        let files: BTreeSet<&u64> = self.names.values().collect();
        files
            .iter()
            .filter_map(|file| self.files.get(file))
            .map(|content| content.seen.len() as u64)
            .sum()
    }

    fn begin_age(&mut self) {
        self.age += 1;
        self.locks.clear();
        self.calls_left = None;
    }

    /// Whether this call happens at all.
    fn call(&mut self, age: u64) -> io::Result<()> {
        if self.age != age {
            return Err(io::Error::other("a handle from before the crash"));
        }
        match &mut self.calls_left {
            Some(0) => Err(io::Error::other("the disk is dead")),
            Some(calls) => {
                *calls -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn fails(&mut self) -> bool {
        self.failing > 0 && self.random.once_in(self.failing)
    }

    fn rename(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.unsafe_names.push(naming);
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
        world.rename(Naming::Bind(path.to_owned(), file));
        Ok(self.handle(&world, file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let world = self.call()?;
        let file = *world.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(&world, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.call()?;
        let file = *world.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        world.rename(Naming::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.call()?;
        world.rename(Naming::Unbind(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        let mut world = self.call()?;
        world.unsafe_names.clear();
        world.safe_names = world.names.clone();
        Ok(())
    }

    fn list(&self, _folder: &Path) -> io::Result<Vec<String>> {
        let world = self.call()?;
        let names = world.names.keys().filter_map(|path| path.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn free_space(&self, _folder: &Path) -> io::Result<u64> {
        let world = self.call()?;
        Ok(world.capacity.saturating_sub(world.used()))
    }

    fn lock(&self, path: &Path, _text: &str) -> io::Result<Result<Box<dyn Any + Send + Sync>, String>> {
        let mut world = self.call()?;
        let free = world.locks.insert(path.to_owned());
        let lock = Lock {
            disk: self.clone(),
            path: path.to_owned(),
            age: world.age,
        };
        drop(world);
        Ok(if free {
            Ok(Box::new(lock))
        } else {
            Err("another".to_owned())
        })
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

/// Whether `content` may grow to `end`; what is left out of the world's count is this file.
fn room(world: &World, end: u64) -> bool {
    world.used() + end <= world.capacity
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.call(|_, content| {
            let rest = content.seen.get(position as usize..).unwrap_or_default();
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        })
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.call(|world, content| {
            let end = position + bytes.len() as u64;
            if end > content.seen.len() as u64 && !room(world, end) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let failed = world.fails();
            let length = if failed {
                world.random.below(bytes.len() as u64 + 1) as usize
            } else {
                bytes.len()
            };
            content.change(Change::Write {
                position,
                bytes: bytes[..length].to_vec(),
            });
            if failed {
                Err(io::Error::other("write failed"))
            } else {
                Ok(())
            }
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.call(|world, content| {
            if world.fails() {
                content.settle(&mut world.random);
                return Err(io::Error::other("sync failed"));
            }
            // Not simply all that is seen: what an earlier sync failed to write is never written.
            for change in std::mem::take(&mut content.unsafe_changes) {
                apply(&change, &mut content.safe);
            }
            Ok(())
        })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.call(|world, content| {
            if !room(world, length) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if length > content.seen.len() as u64 {
                content.change(Change::Length(length));
            }
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.call(|_, content| {
            content.change(Change::Length(length));
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.call(|_, content| Ok(content.seen.len() as u64))
    }
}
