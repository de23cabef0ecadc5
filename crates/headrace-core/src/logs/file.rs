//! The log file that a journal is written to, in order of time: what others see of it.

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    checkpoint::{Checkpoint, Checkpoints, MAX_NAME},
    line::Format,
    output::Place,
    writer::Writer,
};
use crate::{
    error::Error,
    journal::{Journal, disk::Disk},
};

/// What rotation adds to a name.
const STAMP: usize = "-20261123-154000-0000000001.late".len();

#[derive(Debug, Clone)]
pub struct Options {
    pub format: Format,
    /// How long entries wait for earlier ones: 2 s.
    pub window: Duration,
    /// The most bytes that wait in memory.
    pub window_bytes: usize,
    /// A file that is as long as this is followed by the next.
    pub rotate_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: Format::default(),
            window: Duration::from_secs(2),
            window_bytes: 256 << 20,
            rotate_bytes: 100 << 20,
        }
    }
}

/// What one flush wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) lines: u64,
    pub(super) late: u64,
    pub(super) bytes: u64,
    pub(super) unreadable: u64,
}

/// Plain counts since the writer was started.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Lines that were written, and how many of them were late.
    pub lines: u64,
    pub late: u64,
    pub bytes: u64,
    /// Payloads of the journal that are no entries.
    pub unreadable: u64,
    /// How often what was written was made safe.
    pub flushes: u64,
    pub rotations: u64,
    /// How often something failed, attempts to go on included.
    pub failures: u64,
}

/// How the file does.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Status {
    /// What is wrong at the moment; empty while nothing is.
    pub fault: String,
    /// Entries in the window, and their bytes.
    pub waiting: usize,
    pub waiting_bytes: usize,
    /// How long the file is.
    pub length: u64,
    pub counts: Counts,
}

#[derive(Debug, Default)]
struct State {
    status: Status,
    /// When the writer has to end, whatever waits.
    stop: Option<Instant>,
}

/// What the writer and all others share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    stopping: Condvar,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            stopping: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there may be something to do; when the writer has to end, if it has.
    pub(super) fn pause(&self, time: Duration) -> Option<Instant> {
        let mut state = self.state();
        if state.stop.is_none() && !time.is_zero() {
            let waited = self.stopping.wait_timeout(state, time);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        } else if let Some(stop) = state.stop {
            drop(state);
            std::thread::sleep(time.min(stop.saturating_duration_since(Instant::now())));
            return Some(stop);
        }
        state.stop
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.state().status.counts);
    }

    pub(super) fn waiting(&self, (entries, bytes): (usize, usize)) {
        let status = &mut self.state().status;
        (status.waiting, status.waiting_bytes) = (entries, bytes);
    }

    pub(super) fn fault(&self, error: Option<&io::Error>) {
        let status = &mut self.state().status;
        status.counts.failures += u64::from(error.is_some());
        status.fault = error.map(ToString::to_string).unwrap_or_default();
    }

    /// Counts what is safe now.
    pub(super) fn flushed(&self, written: &Written, length: u64) {
        let status = &mut self.state().status;
        status.length = length;
        status.counts.flushes += 1;
        status.counts.lines += written.lines;
        status.counts.late += written.late;
        status.counts.bytes += written.bytes;
        status.counts.unreadable += written.unreadable;
    }
}

/// A log file that is being written from a journal by a thread of its own.
pub struct LogFile {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl LogFile {
    /// Begins to write the entries in `journal` to the file at `path`, on from the checkpoint in another file.
    ///
    /// Fails when the checkpoint cannot be read. A log file that cannot be opened is no failure: [`LogFile::status`] says
    /// so, and it is tried again until it can be.
    pub fn open(
        journal: Arc<Journal>,
        path: &Path,
        checkpoint: &Path,
        options: Options,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, Error> {
        let (shared, writer) = Self::assemble(journal, path, checkpoint, options, disk)?;
        let thread = std::thread::Builder::new().name("log file".to_owned());
        let thread = thread.spawn(move || writer.run());
        let thread = thread.map_err(|error| Error::Journal(format!("no thread for the log file: {error}")))?;
        Ok(Self {
            shared,
            writer: Mutex::new(Some(thread)),
        })
    }

    /// All of it but the thread.
    pub(super) fn assemble(
        journal: Arc<Journal>,
        path: &Path,
        checkpoint: &Path,
        options: Options,
        disk: Arc<dyn Disk>,
    ) -> Result<(Arc<Shared>, Writer), Error> {
        let name = path.file_name().map_or(0, std::ffi::OsStr::len);
        if name == 0 || name + STAMP > MAX_NAME {
            return Err(Error::Journal(format!(
                "{} is no name for a file that rotates",
                path.display()
            )));
        }
        let status = journal.status();
        let nothing = Checkpoint::nothing(status.oldest.unwrap_or(status.next));
        let mut checkpoints = Checkpoints::open(Arc::clone(&disk), checkpoint.to_owned(), nothing.clone())?;
        if checkpoints.latest().position.next > status.next {
            checkpoints.begin_again(nothing.position);
        }
        let shared = Arc::new(Shared::new());
        let place = Place::new(disk, path.to_owned());
        let writer = Writer::new(Arc::clone(&shared), journal, options, place, checkpoints);
        Ok((shared, writer))
    }

    pub fn status(&self) -> Status {
        self.shared.state().status.clone()
    }

    /// Writes on for up to `drain` until nothing waits, then ends. What waits then stays in the journal, and finds its
    /// place in the file when it is opened again.
    pub fn close(&self, drain: Duration) {
        let until = Instant::now().checked_add(drain);
        self.shared.state().stop = until.or(Some(Instant::now()));
        self.shared.stopping.notify_all();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // It ends by itself; if it panicked there is nothing left to wait for.
            let _ = writer.join();
        }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}
