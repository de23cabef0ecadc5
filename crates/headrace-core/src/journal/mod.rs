//! The journal: what was accepted and must not be lost, until it has landed where it belongs.
//!
//! ```text
//! append -> queue -> writer thread: one write, one fdatasync -> completions     (group commit)
//!                        |                    |
//!                     segments  <- readers (only what is safe) -> seal -> upload -> landed -> segment removed
//! ```
//!
//! A *collection* is appended as one record, the unit of atomicity. Its payloads get consecutive numbers, from 1 on,
//! that no other payload of this journal ever gets; numbers of what failed are left out. One thread writes: all that
//! came while it waited for the disk shares the next sync, so that the rate of the disk is not the rate of the service.
//!
//! Invariants
//! - what a completion called done is on disk, whole, in order, and stays until a consumer said that it landed;
//! - refused is decided before anything is copied; what is refused or failed is never shown to a reader;
//! - readers see safe records only;
//! - after a failed write or sync nothing is written to that segment any more, and what it held unsafe stays away;
//! - a journal takes a bounded number of payloads, bytes on disk and bytes in memory; it leaves the disk a reserve;
//! - opening it ends, in memory for one record, whatever bytes the files hold, and never removes what it cannot read.
//!
//! Given up: reading a payload by its number without reading the segment from its start (nobody does so often),
//! and more than one writer (one disk syncs one file at a time anyway).
//!
//! Reading order: `record` and `segment` (the format), `scan` (reading what may be damaged), `recovery` (opening),
//! `state` (what is shared), `writer` and `ahead` (the next file), `reader`, `backlog` and `seals` (what has landed), `disk`.

mod ahead;
mod backlog;
pub mod disk;
mod gather;
mod landing;
mod options;
mod reader;
mod record;
mod recovery;
mod scan;
mod seals;
mod segment;
#[cfg(test)]
pub(crate) mod simulated;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    any::Any,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub use backlog::Range;
pub use gather::{Payload, Query, Slice, Span};
pub use options::{Options, WallClock};
pub use reader::{Arrival, Keyed, Reader};
pub use record::{Key, MAX_RECORD, Record};
pub use recovery::{Damage, Recovery};
pub use seals::Seal;
pub use state::Counts;

use crate::error::Error;
use disk::Disk;
use recovery::Recovered;
use state::Shared;
use writer::Writer;

/// More than anybody waits, and little enough to be added to now.
const FOREVER: Duration = Duration::from_secs(1 << 32);

/// Why an append was refused. Nothing of it was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many payloads or bytes wait as may: again when some have landed.
    Full,
    /// The disk has no room to spare: again when it has.
    DiskFull,
    /// A record is longer than [`MAX_RECORD`] or than ever fits, or the numbers are used up.
    TooLarge,
    /// The journal is being closed.
    Stopped,
    /// The disk failed and no new segment could be begun; [`Journal::status`] has the reason.
    Failed,
}

/// Why what was appended could not be made safe. It will not be seen again while this journal is open; of several
/// records that were appended at once the first ones may be safe all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    DiskFull,
    Failed,
}

/// Called once, on the writer's thread, when all that was appended is safe or when it failed. It must be quick and must
/// not call the journal back: hand over to a waker or a channel.
pub type Completion = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// The numbers that appended payloads got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub first: u64,
    pub last: u64,
}

/// How a journal does.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Health {
    #[default]
    Good,
    /// Appends are refused until there is room; it goes on by itself.
    DiskFull(String),
    /// Appends are refused for good; reading and landing go on.
    Failed(String),
}

/// What a journal holds and has done.
#[derive(Debug, Clone)]
pub struct Status {
    pub health: Health,
    /// The number the next payload gets.
    pub next: u64,
    /// Payloads that have not landed, and the lowest number among them.
    pub unlanded: u64,
    pub oldest: Option<u64>,
    /// Bytes on disk and how many segments they are in.
    pub bytes: u64,
    pub segments: usize,
    /// Bytes that wait for the disk.
    pub pending: u64,
    /// What the latest failed write or sync said; empty when none failed.
    pub last_failure: String,
    pub counts: Counts,
}

/// An open journal. All calls may come from any thread.
pub struct Journal {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held as long as the journal is open.
    lock: Mutex<Option<Box<dyn Any + Send + Sync>>>,
}

impl Journal {
    /// Opens the journal in `folder`, which is made if it is not there.
    ///
    /// Fails when another process has it open, when a file was made by an unknown version (nothing is touched then),
    /// and when the folder cannot be read. Damage is no failure: what is readable is kept, the rest set aside, and the
    /// report says so.
    pub fn open(folder: &Path, options: Options, disk: Arc<dyn Disk>) -> Result<(Self, Recovery), Error> {
        let (journal, writer, report) = Self::assemble(folder, options, disk)?;
        let shared = Arc::clone(&journal.shared);
        journal.spawn("journal", move || writer.run())?;
        journal.spawn("journal-ahead", move || shared.ahead.run(&*shared.disk, &shared.folder))?;
        Ok((journal, report))
    }

    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        let thread = thread.map_err(|error| Error::Journal(format!("no thread for the journal: {error}")))?;
        self.threads().push(thread);
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it but the thread.
    fn assemble(folder: &Path, options: Options, disk: Arc<dyn Disk>) -> Result<(Self, Writer, Recovery), Error> {
        let options = options.checked()?;
        let unreadable = |error| recovery::unreadable(folder, &error);
        disk.make_folder(folder).map_err(unreadable)?;
        let lock = recovery::lock(folder, &*disk)?;
        // Not before: who held it until now may have made and removed files up to its end.
        let names = disk.list(folder).map_err(unreadable)?;
        let Recovered {
            state,
            seals,
            previous,
            report,
        } = recovery::recover(folder, &names, &options, &*disk)?;
        let shared = Arc::new(Shared::new(state, seals, disk, folder, options));
        let writer = Writer::new(Arc::clone(&shared), previous);
        let journal = Self {
            shared,
            threads: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        };
        Ok((journal, writer, report))
    }

    /// Appends `records`, each whole or not at all; `completion` is called when all of them are safe. Without one
    /// nobody waits for the disk: what a crash takes of it is gone. It is written when [`Self::flush`] is called, or with
    /// whatever is written next, or after a quarter of a second.
    ///
    /// Records without payloads are nothing and leave no trace. The time of the records is now.
    pub fn append(&self, records: &[Record<'_>], completion: Option<Completion>) -> Result<Appended, Refused> {
        let payloads: u64 = records.iter().map(|record| record.payloads.len() as u64).sum();
        let bytes: u64 = records.iter().map(|record| record::size(record) as u64).sum();
        let options = &self.shared.options;
        let too_large = records.iter().any(|record| record.length() > MAX_RECORD) || bytes > options.max_pending as u64;
        let mut state = self.shared.state();
        let refused = Some(Refused::TooLarge).filter(|_| too_large);
        if let Some(refused) = refused.or_else(|| state.refusal(options, payloads, bytes)) {
            state.count_refusal(refused);
            return Err(refused);
        }
        let (first, time) = (state.next, (options.clock)());
        for record in records.iter().filter(|record| !record.payloads.is_empty()) {
            state.enqueue(record, time);
        }
        let last = state.next - 1;
        if let Some(completion) = completion {
            state.queue.waiting.push((last, completion));
        }
        Ok(Appended { first, last })
    }

    /// Has what was appended written now. While a write is under way it does nothing: who is told of that write's end has
    /// more to bring, and flushes again. Where nobody does, it is written a moment later.
    pub fn flush(&self) {
        let mut state = self.shared.state();
        if state.writing.1 == 0 && !state.queue.is_empty() {
            state.hurry(&self.shared.work);
        }
    }

    /// Why one more payload would be refused now, if it would: for whoever wants to know before it reads it.
    pub fn refusal(&self) -> Option<Refused> {
        let mut state = self.shared.state();
        let refused = state.refusal(&self.shared.options, 1, 0);
        if let Some(refused) = refused {
            state.count_refusal(refused);
        }
        refused
    }

    /// Whether all of `numbers` have landed.
    pub fn has_landed(&self, numbers: Appended) -> bool {
        let state = self.shared.state();
        numbers.last <= state.safe && state.backlog.is_clear(numbers.first, numbers.last)
    }

    /// Calls `listener` each time something has landed. It must be quick and must not call the journal back.
    pub fn on_landed(&self, listener: Box<dyn Fn() + Send + Sync>) {
        let mut listeners = self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.push(listener);
    }

    /// The same, and waits until it is safe, which does not wait for a flush.
    pub fn append_and_wait(&self, records: &[Record<'_>]) -> Result<Result<Appended, Failure>, Refused> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let completion: Completion = Box::new(move |outcome| {
            // Nobody waits only if this thread ended.
            let _ = sender.send(outcome);
        });
        let appended = self.append(records, Some(completion))?;
        self.shared.state().hurry(&self.shared.work);
        Ok(receiver.recv().unwrap_or(Err(Failure::Failed)).map(|()| appended))
    }

    /// Reads from number `first` on.
    pub fn reader(&self, first: u64) -> Reader {
        Reader::new(Arc::clone(&self.shared), first)
    }

    /// Waits up to `timeout` until a number at or above `number` can be read; whether it can.
    pub fn wait(&self, number: u64, timeout: Duration) -> bool {
        let until = Instant::now() + timeout.min(FOREVER);
        let mut state = self.shared.state();
        state.readers += 1;
        while !state.is_readable(number) && !state.closing {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break;
            };
            let waited = self.shared.more.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.readers -= 1;
        state.is_readable(number)
    }

    /// The time, in milliseconds since 1970, before which nothing was or will be appended that cannot be read now.
    pub fn horizon(&self) -> u64 {
        let state = self.shared.state();
        // Under the lock, as the times of records are taken.
        let now = (self.shared.options.clock)();
        state.pending_since().map_or(now, |since| since.min(now))
    }

    pub fn status(&self) -> Status {
        self.shared.state().status()
    }

    /// Makes what was appended safe and ends the writer. Waits. Reading goes on, appends and notes are refused.
    pub fn close(&self) {
        {
            let mut state = self.shared.state();
            state.closing = true;
            self.shared.work.notify_all();
            self.shared.more.notify_all();
        }
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            // The writer ends by itself, and then the other one does; if it panicked it did not say so.
            if thread.join().is_err() {
                self.shared.ahead.close(&*self.shared.disk);
            }
        }
        // Another process may have the folder from now on: no note is being written.
        let _seals = self.shared.seals();
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}
