//! Entries on their way out of a process that must not wait for them.
//!
//! ```text
//! put (any thread) -> queue -> chunk (100 ms, 256 KiB, or at once) -> batch -> POST -> acknowledged
//!                                                                      \-> spill, while the collector is away
//! ```
//!
//! `put` copies into a bounded queue and returns; all else happens on one thread. A batch is JSON lines with an
//! `Idempotency-Key`, made once, so that one whose answer was lost is not stored twice. While the collector does not
//! answer, batches go to a file, and from it in their order once it does; what a process that died left in its file is
//! delivered by the next one that logs to the same collector.
//!
//! Bounds: queue and file in bytes. With both full new entries are dropped; how many is told by an entry of its own as
//! soon as one can leave. The end is bounded in time, too: what cannot be sent then stays in the file.

mod batch;
mod delivery;
mod queue;
mod spill;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use self::{delivery::Delivery, queue::Queue};
use super::{Entry, entry::cut};
use crate::{
    client::{Client, Cutter, Origin, Patience},
    error::Error,
};

/// Bytes of a message, and of further fields. Also where each of them becomes six as JSON it is less than a collector's body
/// may have.
const LONGEST: usize = 512 << 10;
/// Room for what is said at the end of a message that is cut.
const MARK: usize = 64;

/// Where to, as whom, and how much may wait.
#[derive(Debug, Clone)]
pub struct ShipperOptions {
    /// `https://host:port`, and the PEM file by which it is verified.
    pub url: String,
    pub ca: Option<String>,
    /// Sent as `Authorization: Bearer`; empty where none is asked for.
    pub token: String,
    /// Who tells of entries that were dropped.
    pub source: String,
    pub queue_bytes: usize,
    /// The folder of the files, shared by all processes that log to this URL; none: what finds no room is dropped.
    pub spill: Option<PathBuf>,
    pub spill_bytes: u64,
    pub patience: Patience,
}

/// What became of entries so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ShipperCounts {
    /// Taken by `put`; all that follow but `dropped` and `adopted` are of these.
    pub put: u64,
    /// In the queue, or being sent for the first time.
    pub waiting: u64,
    /// In the file.
    pub spilled: u64,
    /// By the collector; those of other processes' files are among them.
    pub acknowledged: u64,
    /// By the collector, for good.
    pub refused: u64,
    /// For want of room.
    pub dropped: u64,
    /// Found in files of processes that had ended.
    pub adopted: u64,
}

#[derive(Debug, Default)]
struct Tally {
    spilled: AtomicU64,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    adopted: AtomicU64,
}

/// A queue and the thread behind it, which lives until `close`. Nothing happens when it is dropped: the child of a fork has
/// no such thread, and its copy of a lock may be taken for good.
#[derive(Debug)]
pub struct LogShipper {
    queue: Arc<Queue>,
    tally: Arc<Tally>,
    cutter: Cutter,
}

impl LogShipper {
    pub fn start(options: ShipperOptions) -> Result<Self, Error> {
        let origin = Origin::parse(&options.url, options.ca.as_deref())?;
        let client = Client::new(origin, options.patience);
        let cutter = client.cutter();
        let (queue, tally) = (Arc::new(Queue::new(options.queue_bytes)), Arc::new(Tally::default()));
        let delivery = Delivery::new(client, options, Arc::clone(&queue), Arc::clone(&tally));
        thread::Builder::new()
            .name("headrace-logs".to_owned())
            .spawn(move || delivery.run())
            .map_err(|error| Error::Engine(format!("no thread for log entries: {error}")))?;
        Ok(Self { queue, tally, cutter })
    }

    /// Whether there was room. An urgent entry leaves at once, with all before it. One that no collector would take is cut.
    pub fn put(&self, entry: &Entry<'_>, urgent: bool) -> bool {
        if entry.message.len() > LONGEST || entry.fields.len() > LONGEST {
            return self.put_cut(entry, urgent);
        }
        let taken = self.queue.put(entry, urgent);
        self.tally.dropped.fetch_add(u64::from(!taken), Relaxed);
        taken
    }

    #[cold]
    fn put_cut(&self, entry: &Entry<'_>, urgent: bool) -> bool {
        let of = entry.message.len();
        let message = match cut(entry.message, LONGEST - MARK) {
            whole if whole.len() == of => whole.to_owned(),
            start => format!("{start}... (cut, {of} bytes)"),
        };
        let fields = match entry.fields.len() {
            of if of > LONGEST => format!(r#"{{"cut":"further fields of {of} bytes"}}"#),
            _ => entry.fields.to_owned(),
        };
        let (message, fields) = (&*message, &*fields);
        self.put(
            &Entry {
                message,
                fields,
                ..*entry
            },
            urgent,
        )
    }

    /// Whether all that was put before is with the collector, or at least in the file, within `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.queue.flush(timeout)
    }

    /// Takes no more, sends what is left, or puts it into the file when half of the time is over. Whether all is safe.
    pub fn close(&self, timeout: Duration) -> bool {
        self.queue.close();
        if !self.queue.wait_for_end(timeout / 2) {
            self.cutter.cut();
        }
        self.queue.wait_for_end(timeout / 2) && self.queue.counts().1 == 0
    }

    pub fn counts(&self) -> ShipperCounts {
        let (put, waiting) = self.queue.counts();
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        ShipperCounts {
            put,
            waiting,
            spilled: read(&self.tally.spilled),
            acknowledged: read(&self.tally.acknowledged),
            refused: read(&self.tally.refused),
            dropped: read(&self.tally.dropped),
            adopted: read(&self.tally.adopted),
        }
    }
}

#[cfg(test)]
mod tests;
