//! Ingest: the handler that takes JSON collections and answers when they are safe.
//!
//! Reading order: `options`, `collection` (what is posted) and `scan` (its quick reader), `server` (one request), `waiting` (how the journal wakes it),
//! `keys` (a request that is sent again).
//!
//! Invariants
//! - nothing that was answered with 200 lives anywhere but in the journal;
//! - nothing of a request that was answered otherwise is in the journal, but for one whose sync failed: that is unknown,
//!   as a lost reply is, and an idempotency key resolves it.

pub mod collection;
mod keys;
mod options;
mod scan;
mod server;
mod waiting;

use std::{
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;

use self::{
    keys::Keys,
    waiting::{Inbox, Waiting},
};
pub use self::{
    options::{Ack, Options},
    server::Server,
};
use crate::{
    engine::{Source, Thread},
    journal::{Appended, Completion, Journal, Key, Keyed},
};

/// What all engine threads share of one ingest server.
pub struct Ingest {
    options: Options,
    journal: Arc<Journal>,
    keys: Arc<Keys>,
    /// Bytes of bodies that are being read.
    reading: AtomicUsize,
    /// Seconds, told to whoever is refused.
    retry_after: AtomicU32,
    inboxes: Mutex<Vec<Arc<Inbox>>>,
}

/// The source of an engine's handlers.
pub struct Served(pub Arc<Ingest>);

impl Ingest {
    /// Remembers the idempotency keys that the journal still has.
    pub fn new(journal: Arc<Journal>, options: Options) -> Arc<Self> {
        let ingest = Arc::new(Self {
            options,
            keys: Arc::default(),
            reading: AtomicUsize::new(0),
            retry_after: AtomicU32::new(1),
            inboxes: Mutex::default(),
            journal,
        });
        ingest.remember();
        let weak = Arc::downgrade(&ingest);
        ingest.journal.on_landed(Box::new(move || {
            if let Some(ingest) = weak.upgrade() {
                let inboxes = ingest.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
                inboxes.iter().for_each(|inbox| inbox.landed());
            }
        }));
        ingest
    }

    /// Keys whose records cannot be read are not remembered; the journal has said so when it was opened.
    fn remember(&self) {
        let restore = |Keyed {
                           key, first, last, time, ..
                       }| self.keys.restore(&key, Appended { first, last }, time);
        let _ = self.journal.reader(1).keys(restore);
        self.expire();
    }

    /// What `Retry-After` says from now on, as it follows from how fast the queue drains.
    pub fn set_retry_after(&self, after: Duration) {
        let seconds = after.as_secs_f64().ceil().clamp(1.0, 3600.0);
        self.retry_after.store(seconds as u32, Ordering::Relaxed);
    }

    /// Whether `token` is one of those configured, in a time that does not tell how much of it was right.
    fn knows(&self, token: &str) -> bool {
        let tokens = &self.options.tokens;
        let equal = |known: &String| verify_slices_are_equal(known.as_bytes(), token.as_bytes()).is_ok();
        tokens.is_empty() || tokens.iter().fold(false, |known, each| known | equal(each))
    }

    /// Makes a completion remember how `key` ended, whether or not its client is still there.
    fn keep(&self, key: Key, told: Completion) -> Completion {
        let keys = Arc::clone(&self.keys);
        Box::new(move |outcome| {
            match outcome {
                Ok(()) => keys.accept(&key, now()),
                Err(_) => keys.forget(&key),
            }
            told(outcome);
        })
    }

    fn expire(&self) {
        let window = self.options.window.as_millis() as u64;
        self.keys.expire(now().saturating_sub(window), self.options.max_keys);
    }
}

impl Source for Served {
    type Handler = Server;

    fn handler(&self, thread: &Rc<Thread>) -> Rc<Server> {
        let inbox = Arc::new(Inbox::default());
        let ingest = Arc::clone(&self.0);
        ingest
            .inboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&inbox));
        let weak = Arc::downgrade(&ingest);
        thread.add_chore(move || {
            if let Some(ingest) = weak.upgrade() {
                ingest.expire();
            }
        });
        Rc::new(Server {
            ingest,
            thread: Rc::clone(thread),
            waiting: Waiting::start(inbox),
        })
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis() as u64)
}
