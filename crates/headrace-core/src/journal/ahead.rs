//! The next segment's file, written full of zeros before it is needed.
//!
//! Room that is only set aside is unwritten to the file system: every first write to a piece of it also changes what the
//! file system keeps about the file, and a sync waits until that is safe, too. In room that was written before, a sync
//! is the write and nothing else. On ext4 that is a third of the time and of the processor time, and a short tail.
//! Postgres does the same with its log (`wal_init_zero`).
//!
//! While a segment is being written a second thread prepares the file of the next one. It is what setting room aside
//! makes, byte for byte, under a name that opening removes; so nobody who reads knows of it, and where it is missing,
//! late or has failed, a segment is begun without it.
//!
//! Invariants
//! - at most one file is prepared, begun only where the journal's bound and the disk leave room for it;
//! - nobody writes to it but its thread until it is ready, and nobody but the writer from then on;
//! - it is gone before the folder is anybody else's.
//!
//! Given up: each byte of a segment is written twice.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::disk::{Disk, File};

const NAME: &str = "ahead.new";
/// How much is synced at once: what a sync of the writer may have to wait for.
const PIECE: u64 = 1 << 20;
/// How much is written with one call. The kernel keeps that in one piece of memory: for more it would take memory that
/// nobody has used for long, and a virtual machine waits until its host has found it, up to six times as long as for all
/// else here. For so much it takes what removed segments gave back.
const WRITE: usize = 256 << 10;
/// The longest rest between two pieces.
const REST: Duration = Duration::from_millis(100);

/// A file full of zeros, which are safe.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) file: Box<dyn File>,
    pub(super) path: PathBuf,
    pub(super) length: u64,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    /// One of so many bytes is wanted.
    Wanted(u64),
    Making(u64),
    /// One is being made, and goes as soon as whoever makes it hears of it.
    Unwanted(u64),
    Ready(Prepared),
    /// Nothing more is prepared.
    Closed,
}

#[derive(Default)]
pub(super) struct Ahead {
    slot: Mutex<Slot>,
    changed: Condvar,
}

impl Ahead {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a file of `length` bytes, unless there is one or will be.
    pub(super) fn want(&self, length: u64) {
        let mut slot = self.slot();
        if matches!(*slot, Slot::Empty) {
            *slot = Slot::Wanted(length);
            self.changed.notify_all();
        }
    }

    /// The file that is ready, if it has `needed` bytes. It is the caller's from now on.
    pub(super) fn take(&self, needed: u64) -> Option<Prepared> {
        let mut slot = self.slot();
        match std::mem::take(&mut *slot) {
            Slot::Ready(prepared) if prepared.length >= needed => Some(prepared),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// What is being made is to be made to its end.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(*self.slot(), Slot::Making(_))
    }

    /// Bytes that are on disk, or will be, and that nothing is in yet.
    pub(super) fn bytes(&self) -> u64 {
        match &*self.slot() {
            Slot::Wanted(length) | Slot::Making(length) | Slot::Unwanted(length) => *length,
            Slot::Ready(prepared) => prepared.length,
            Slot::Empty | Slot::Closed => 0,
        }
    }

    /// Gives back what is ready, and what is being made as soon as its next piece is written; whether there was anything on
    /// disk.
    pub(super) fn discard(&self, disk: &dyn Disk) -> bool {
        let mut slot = self.slot();
        match std::mem::take(&mut *slot) {
            Slot::Ready(prepared) => disk.remove(&prepared.path).is_ok(),
            Slot::Making(length) | Slot::Unwanted(length) => {
                *slot = Slot::Unwanted(length);
                drop(self.changed.wait_while(slot, |slot| matches!(slot, Slot::Unwanted(_))));
                true
            }
            Slot::Closed => {
                *slot = Slot::Closed;
                false
            }
            Slot::Empty | Slot::Wanted(_) => false,
        }
    }

    /// Nothing more is prepared, and what was is removed.
    pub(super) fn close(&self, disk: &dyn Disk) {
        let before = std::mem::replace(&mut *self.slot(), Slot::Closed);
        self.changed.notify_all();
        if let Slot::Ready(prepared) = before {
            let _ = disk.remove(&prepared.path);
        }
    }

    /// Prepares what is wanted, until it is closed.
    pub(super) fn run(&self, disk: &dyn Disk, folder: &Path) {
        while self.wait() {
            self.prepare(disk, folder, |took| {
                // No more than half of the disk's time.
                thread::sleep(took.min(REST));
                self.is_wanted()
            });
        }
    }

    /// Until something is wanted; false when nothing more will be.
    fn wait(&self) -> bool {
        let idle = |slot: &mut Slot| !matches!(slot, Slot::Wanted(_) | Slot::Closed);
        let waited = self.changed.wait_while(self.slot(), idle);
        matches!(*waited.unwrap_or_else(PoisonError::into_inner), Slot::Wanted(_))
    }

    /// Makes the file, if one is wanted. `go_on` is told how long each piece took, and whether there is to be a next one.
    pub(super) fn prepare(&self, disk: &dyn Disk, folder: &Path, go_on: impl FnMut(Duration) -> bool) {
        let length = {
            let mut slot = self.slot();
            let Slot::Wanted(length) = *slot else {
                return;
            };
            *slot = Slot::Making(length);
            length
        };
        let path = folder.join(NAME);
        let made = fill(disk, &path, length, go_on);
        let mut slot = self.slot();
        match (made, &*slot) {
            (Ok(file), Slot::Making(_)) => *slot = Slot::Ready(Prepared { file, path, length }),
            (_, Slot::Closed) => drop(disk.remove(&path)),
            // A segment is begun without it, and the one after that may have more luck.
            _ => {
                let _ = disk.remove(&path);
                *slot = Slot::Empty;
                self.changed.notify_all();
            }
        }
    }
}

fn fill(
    disk: &dyn Disk,
    path: &Path,
    length: u64,
    mut go_on: impl FnMut(Duration) -> bool,
) -> io::Result<Box<dyn File>> {
    let file = disk.create(path)?;
    file.allocate(length)?;
    let zeros = vec![0; WRITE];
    let mut position = 0;
    while position < length {
        let began = Instant::now();
        let end = length.min(position + PIECE);
        while position < end {
            let some = zeros.len().min((end - position) as usize);
            file.write_at(&zeros[..some], position)?;
            position += some as u64;
        }
        file.sync()?;
        if position < length && !go_on(began.elapsed()) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    Ok(file)
}
