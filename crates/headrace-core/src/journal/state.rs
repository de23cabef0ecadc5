//! What the threads of a journal share, under one lock that nobody holds while the disk works.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{
    Completion, Health, Options, Refused, Status,
    ahead::Ahead,
    backlog::Backlog,
    disk::Disk,
    record::{self, MAX_NUMBER, Record},
    seals::Seals,
    segment,
};

/// What is known of a segment's file.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Extent {
    pub(super) salt: u32,
    /// Where its safe records end.
    pub(super) end: u64,
    /// The last number in it; one below its first while it is empty.
    pub(super) last: u64,
    /// The latest time in it.
    pub(super) newest: u64,
}

/// What was appended and is not being written yet.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) records: Vec<u8>,
    pub(super) payloads: u64,
    /// Whom to tell when the number is safe, in order.
    pub(super) waiting: Vec<(u64, Completion)>,
}

/// Plain counts since the journal was opened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Payloads that became safe, and their bytes on disk.
    pub appended: u64,
    pub written: u64,
    /// Syncs that appended payloads waited for.
    pub syncs: u64,
    /// Payloads that have landed.
    pub landed: u64,
    /// Appends that were refused: full, disk full, stopped or failed, too large.
    pub refused_full: u64,
    pub refused_disk_full: u64,
    pub refused_stopped: u64,
    pub refused_too_large: u64,
    /// Writes and syncs that failed, and payloads that were lost with them.
    pub failures: u64,
    pub failed: u64,
    /// Places where a reader found records missing that had been safe.
    pub holes: u64,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) queue: Queue,
    /// What the writer has taken and not finished: payloads, bytes.
    pub(super) writing: (u64, u64),
    /// When the first of it was appended.
    pub(super) writing_since: u64,
    /// The number of the next payload.
    pub(super) next: u64,
    /// The highest number that is safe.
    pub(super) safe: u64,
    pub(super) backlog: Backlog,
    pub(super) segments: BTreeMap<u64, Extent>,
    /// The segment that is being written.
    pub(super) active: Option<u64>,
    /// Bytes of the other segments from the first one on that has not landed: they cannot be removed.
    pub(super) pinned: u64,
    pub(super) health: Health,
    pub(super) last_failure: String,
    pub(super) counts: Counts,
    pub(super) closing: bool,
    /// Whether the writer sleeps, so that waking it does something.
    pub(super) idle: bool,
    /// Whether what is queued waits for nothing but the end of a write.
    pub(super) hurried: bool,
    /// How many wait for something to read.
    pub(super) readers: usize,
    /// Whether segments may have become removable.
    pub(super) landed: bool,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.waiting.is_empty()
    }

    /// When the first of it was appended.
    pub(super) fn since(&self) -> Option<u64> {
        (!self.records.is_empty()).then(|| record::unplaced(&self.records).time)
    }
}

type Listener = Box<dyn Fn() + Send + Sync>;

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// Held while a note becomes safe; taken before `state`, never after it.
    pub(super) seals: Mutex<Seals>,
    /// There is something to write.
    pub(super) work: Condvar,
    /// There is something to read.
    pub(super) more: Condvar,
    /// Called when something has landed.
    pub(super) listeners: Mutex<Vec<Listener>>,
    /// The file of the next segment.
    pub(super) ahead: Ahead,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: PathBuf,
    pub(super) options: Options,
}

impl Shared {
    pub(super) fn new(state: State, seals: Seals, disk: Arc<dyn Disk>, folder: &Path, options: Options) -> Self {
        Self {
            state: Mutex::new(state),
            seals: Mutex::new(seals),
            work: Condvar::new(),
            more: Condvar::new(),
            listeners: Mutex::default(),
            ahead: Ahead::default(),
            disk,
            folder: folder.to_owned(),
            options,
        }
    }

    /// Nothing panics while it holds the lock, and if it did, the numbers in it would still be numbers.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn path_of(&self, first: u64) -> PathBuf {
        self.folder.join(segment::name(first))
    }
}

impl State {
    /// Whether `payloads` with `bytes` more would be too many.
    pub(super) fn refusal(&self, options: &Options, payloads: u64, bytes: u64) -> Option<Refused> {
        match self.health {
            Health::Failed(_) => return Some(Refused::Failed),
            Health::DiskFull(_) => return Some(Refused::DiskFull),
            Health::Good if self.closing => return Some(Refused::Stopped),
            Health::Good => {}
        }
        if self.next.saturating_add(payloads) > MAX_NUMBER {
            return Some(Refused::TooLarge);
        }
        let queued = self.queue.records.len() as u64;
        let stored = self.pinned + self.active_bytes() + self.writing.1 + queued;
        let full = self.unlanded() + payloads > options.max_payloads
            || queued + bytes > options.max_pending as u64
            || stored + bytes > options.max_bytes;
        full.then_some(Refused::Full)
    }

    pub(super) fn count_refusal(&mut self, refused: Refused) {
        let counts = &mut self.counts;
        *match refused {
            Refused::Full => &mut counts.refused_full,
            Refused::DiskFull => &mut counts.refused_disk_full,
            Refused::Stopped | Refused::Failed => &mut counts.refused_stopped,
            Refused::TooLarge => &mut counts.refused_too_large,
        } += 1;
    }

    /// Payloads that were appended and have not landed.
    pub(super) fn unlanded(&self) -> u64 {
        self.backlog.payloads() + self.writing.0 + self.queue.payloads
    }

    /// Has what is queued written as soon as no write is under way.
    pub(super) fn hurry(&mut self, work: &Condvar) {
        self.hurried = true;
        self.rouse(work);
    }

    /// Wakes the writer if it sleeps.
    pub(super) fn rouse(&mut self, work: &Condvar) {
        if self.idle {
            self.idle = false;
            work.notify_one();
        }
    }

    pub(super) fn enqueue(&mut self, record: &Record<'_>, time: u64) {
        let payloads = record.payloads.len() as u64;
        record::encode(&mut self.queue.records, record, self.next, time);
        self.next += payloads;
        self.queue.payloads += payloads;
    }

    /// Whether there is something to read at or above `number`.
    pub(super) fn is_readable(&self, number: u64) -> bool {
        self.safe >= number
    }

    /// When the first of what cannot be read yet was appended.
    pub(super) fn pending_since(&self) -> Option<u64> {
        let writing = (self.writing.0 > 0).then_some(self.writing_since);
        writing.or(self.queue.since())
    }

    /// The segment that has `number`, or the first one after it that has any. An empty one may yet be replaced.
    pub(super) fn holding(&self, number: u64) -> Option<(u64, Extent)> {
        let before = self.segments.range(..=number).next_back();
        let holding = before.filter(|(_, extent)| extent.last >= number);
        let mut after = self.segments.range(number + 1..);
        let holding = holding.or_else(|| after.find(|(first, extent)| extent.last >= **first));
        holding.map(|(first, extent)| (*first, *extent))
    }

    fn active_bytes(&self) -> u64 {
        let active = self.active.and_then(|first| self.segments.get(&first));
        active.map_or(0, |extent| extent.end)
    }

    /// The oldest segment, if all of it has landed. Never the last one: it knows which numbers were given.
    pub(super) fn landed_segment(&self) -> Option<(u64, Extent)> {
        let (&first, &extent) = self.segments.first_key_value()?;
        let landed = self.segments.len() > 1 && self.backlog.is_clear(first, extent.last);
        landed.then_some((first, extent))
    }

    /// Which bytes stay, after something landed or a segment was begun. Segments go oldest first, because each one's
    /// header says where the one before it ends.
    pub(super) fn count_pinned(&mut self) {
        self.pinned = self
            .segments
            .iter()
            .filter(|(first, _)| Some(**first) != self.active)
            .skip_while(|(first, extent)| self.backlog.is_clear(**first, extent.last))
            .map(|(_, extent)| extent.end)
            .sum();
    }

    pub(super) fn status(&self) -> Status {
        Status {
            health: self.health.clone(),
            next: self.next,
            unlanded: self.unlanded(),
            oldest: self.backlog.oldest(),
            bytes: self.segments.values().map(|extent| extent.end).sum(),
            segments: self.segments.len(),
            pending: self.queue.records.len() as u64 + self.writing.1,
            last_failure: self.last_failure.clone(),
            counts: self.counts,
        }
    }
}
