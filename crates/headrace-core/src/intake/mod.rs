//! What every service does that takes bodies into a journal: read them within bounds, append what they hold, answer when
//! that is safe.
//!
//! Reading order: `options` (bounds), `refusal` (in which words a request is refused), `keys` (a request that is sent again),
//! `flushing` (when the journal writes), `waiting` (how it wakes a request), `local` (an engine thread's side, which a
//! handler stands on); `scan` over `value` and `block`, and `text` (JSON, read without building anything).
//!
//! Invariants
//! - nothing that was acknowledged as safe lives anywhere but in the journal;
//! - nothing of a request that was answered otherwise is in the journal, but for one whose sync failed: that is unknown,
//!   as a lost reply is, and an idempotency key resolves it.

mod block;
mod flushing;
mod keys;
mod local;
mod options;
mod refusal;
mod scan;
mod text;
mod value;
mod waiting;

use std::{
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use self::{
    flushing::Flushing,
    keys::Keys,
    waiting::{Inbox, Waiting},
};
pub use self::{
    local::{Local, Pending},
    options::Options,
    scan::{MAX_DEPTH, Scan, is_clean},
    text::{as_line, is_too_deep, one_line, sound, unescape},
};
use crate::{
    engine::Thread,
    journal::{Appended, Completion, Journal, Key, Keyed},
    service::Room,
};

/// What all engine threads share of one service's intake.
pub struct Intake {
    options: Options,
    journal: Arc<Journal>,
    keys: Arc<Keys>,
    /// For bodies that are being read.
    room: Room,
    /// Seconds, told to whoever is refused.
    retry_after: AtomicU32,
    inboxes: Mutex<Vec<Arc<Inbox>>>,
}

impl Intake {
    /// Remembers the idempotency keys that the journal still has.
    pub fn new(journal: Arc<Journal>, options: Options) -> Arc<Self> {
        let intake = Arc::new(Self {
            room: Room::new(options.max_reading),
            options,
            keys: Arc::default(),
            retry_after: AtomicU32::new(1),
            inboxes: Mutex::default(),
            journal,
        });
        intake.remember();
        let weak = Arc::downgrade(&intake);
        intake.journal.on_landed(Box::new(move || {
            if let Some(intake) = weak.upgrade() {
                let inboxes = intake.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
                inboxes.iter().for_each(|inbox| inbox.landed());
            }
        }));
        intake
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

    /// The side of `thread`, with what it does regularly.
    pub fn local(self: &Arc<Self>, thread: &Rc<Thread>) -> Local {
        let inbox = Arc::new(Inbox::default());
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        inboxes.push(Arc::clone(&inbox));
        let weak = Arc::downgrade(self);
        thread.add_chore(move || {
            if let Some(intake) = weak.upgrade() {
                intake.expire();
            }
        });
        Local {
            intake: Arc::clone(self),
            thread: Rc::clone(thread),
            waiting: Waiting::start(inbox),
            flushing: Flushing::start(Arc::downgrade(&self.journal)),
        }
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

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis() as u64)
}
