//! Entries that wait to leave, in chunks; any thread puts, one takes.
//!
//! Putting is a copy under a lock that is never held for longer than one, and wakes the taker only where it sleeps: with
//! the first entry after a pause, with a full chunk, with an urgent entry. A chunk is what leaves together. It is not
//! grown beyond [`CHUNK`], so that no put ever moves more than its own bytes.
//!
//! What finds no room is refused and counted, and the count leaves with the next chunk.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::logs::Entry;

/// Bytes of a chunk, as they lie here; a longer entry gets a chunk of its own.
const CHUNK: usize = 256 * 1024;

/// How long the first entry of a chunk waits for others.
const LINGER: Duration = Duration::from_millis(100);

/// Most bytes of an entry beside its texts.
const OVERHEAD: usize = 32;

/// Entries that leave together, and how many were refused before them.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    pub(super) entries: u64,
    pub(super) dropped: u64,
}

impl Chunk {
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk()?;
            let (entry, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Entry::decode(entry)
        })
    }

    /// How many bytes it took.
    fn push(&mut self, entry: &Entry<'_>) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        entry.encode(&mut self.bytes);
        let length = (self.bytes.len() - start - 4) as u32;
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        self.entries += 1;
        self.bytes.len() - start
    }
}

/// What the taker is told.
#[derive(Debug)]
pub(super) enum Taken {
    Chunk(Chunk),
    /// The time that was given is over.
    Due,
    /// The queue is closed, and nothing is left in it.
    Closed,
}

#[derive(Debug, Default)]
struct State {
    full: VecDeque<Chunk>,
    open: Chunk,
    /// When the open chunk got its first entry.
    since: Option<Instant>,
    bytes: usize,
    put: u64,
    done: u64,
    dropped: u64,
    flushing: usize,
    urgent: bool,
    sleeping: bool,
    closing: bool,
    ended: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    state: Mutex<State>,
    work: Condvar,
    progress: Condvar,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room. An urgent entry takes all that waits along at once.
    pub(super) fn put(&self, entry: &Entry<'_>, urgent: bool) -> bool {
        let size = OVERHEAD + entry.message.len() + entry.fields.len() + entry.source.len() + entry.level.len();
        let mut state = self.lock();
        if state.closing || state.bytes + size > self.most {
            state.dropped += u64::from(!state.closing);
            return false;
        }
        let full = !state.open.bytes.is_empty() && state.open.bytes.len() + size > CHUNK;
        if full {
            state.seal();
        }
        if state.open.bytes.is_empty() {
            state.open.bytes.reserve(size.max(CHUNK));
            state.since = Some(Instant::now());
        }
        state.bytes += state.open.push(entry);
        state.put += 1;
        state.urgent |= urgent;
        let wake = mem::take(&mut state.sleeping) || full || urgent;
        drop(state);
        if wake {
            self.work.notify_one();
        }
        true
    }

    /// Waits for a chunk, at most until `due`. With `hold` none is taken: it is waited for the time, or the end, alone.
    pub(super) fn take(&self, due: Option<Instant>, hold: bool) -> Taken {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if hold && state.closing {
                return Taken::Closed;
            }
            if !hold && state.is_ready(now) {
                return Taken::Chunk(state.next());
            }
            if !hold && state.closing {
                return Taken::Closed;
            }
            if due.is_some_and(|due| due <= now) {
                return Taken::Due;
            }
            let lingers = state.since.filter(|_| !hold).map(|since| since + LINGER);
            state.sleeping = lingers.is_none() && !hold;
            state = match [due, lingers].into_iter().flatten().min() {
                Some(until) => {
                    let waited = self.work.wait_timeout(state, until - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// So many entries that were taken are where they should be, or given up.
    pub(super) fn done(&self, entries: u64) {
        self.lock().done += entries;
        self.progress.notify_all();
    }

    /// Has all leave at once; whether all that was put before was done in time.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let mut state = self.lock();
        let wanted = state.put;
        state.flushing += 1;
        self.work.notify_one();
        let mut state = self.wait(state, timeout, |state| state.done >= wanted || state.ended);
        state.flushing -= 1;
        state.done >= wanted
    }

    /// From now on nothing is put; what is left can be taken at once.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.work.notify_one();
    }

    /// The taker has ended.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.progress.notify_all();
    }

    /// Whether the taker ended in time.
    pub(super) fn wait_for_end(&self, timeout: Duration) -> bool {
        let state = self.lock();
        self.wait(state, timeout, |state| state.ended).ended
    }

    /// Entries that were put, and those of them that wait here or are being sent.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.put, state.put - state.done)
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
        over: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.progress.wait_timeout_while(state, timeout, |state| !over(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn seal(&mut self) {
        let chunk = mem::take(&mut self.open);
        self.full.push_back(chunk);
        self.since = None;
    }

    fn is_ready(&self, now: Instant) -> bool {
        let hurry = self.closing || self.flushing > 0 || self.urgent;
        let waits = self.since.is_some_and(|since| hurry || now >= since + LINGER);
        !self.full.is_empty() || waits || self.dropped > 0
    }

    fn next(&mut self) -> Chunk {
        let mut chunk = self.full.pop_front().unwrap_or_else(|| {
            self.since = None;
            self.urgent = false;
            mem::take(&mut self.open)
        });
        self.bytes -= chunk.bytes.len();
        chunk.dropped = mem::take(&mut self.dropped);
        chunk
    }
}
