//! What changed, for those who keep copies: near caches in other processes.
//!
//! A bounded ring of numbered changes. A follower reads at its own pace; whoever is too slow finds its place gone, is told
//! so and has to forget all copies. The ring is written while somebody follows, and then until it has been filled once more,
//! so that a follower whose connection broke can go on where it was. Before and after that a change costs one look.
//!
//! A key that is set counts as changed when a value was replaced, or may have been: a store that evicted something may have
//! forgotten what a copy still has.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::janitor::block_on;

const MOST_CHANGES: usize = 16_384;
const MOST_BYTES: usize = 4 << 20;
/// So that numbers are exact where numbers are floats.
const NUMBERS: u64 = 1 << 48;

/// Something that copies may be older than.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub what: What,
    /// The key, tag or prefix.
    pub name: Box<[u8]>,
    /// It is stale, not gone.
    pub soft: bool,
}

/// What a change names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Key,
    Tag,
    Prefix,
}

/// Changes happened that this follower will never see: every copy may be too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// The changes of a store.
pub(super) struct Changes {
    recording: AtomicBool,
    ring: Mutex<Ring>,
    more: Notify,
}

struct Ring {
    /// The number of the next change. The first one is random: a number from another life is not mistaken for one of this.
    next: u64,
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
    followers: usize,
    /// Changes since the last follower left.
    unfollowed: usize,
}

impl Changes {
    pub(super) fn new() -> Self {
        let ring = Ring {
            next: 1 + RandomState::new().hash_one(0) % NUMBERS,
            changes: VecDeque::new(),
            bytes: 0,
            followers: 0,
            unfollowed: 0,
        };
        Self {
            recording: AtomicBool::new(false),
            ring: Mutex::new(ring),
            more: Notify::new(),
        }
    }

    /// Records a change, if anybody might want to know.
    pub(super) fn publish(&self, what: What, name: &[u8], soft: bool) {
        if !self.recording.load(SeqCst) {
            return;
        }
        let name = name.into();
        let going_on = self.ring().push(Change { what, name, soft });
        self.recording.store(going_on, SeqCst);
        self.more.notify_waiters();
    }

    /// Follows from `next` on, or from what happens next.
    pub(super) fn follow(self: &Arc<Self>, next: Option<u64>) -> Follower {
        let mut ring = self.ring();
        ring.followers += 1;
        ring.unfollowed = 0;
        self.recording.store(true, SeqCst);
        Follower {
            next: next.unwrap_or(ring.next),
            changes: Arc::clone(self),
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Whether the ring is still written.
    fn push(&mut self, change: Change) -> bool {
        self.next += 1;
        self.bytes += change.name.len();
        self.changes.push_back(Arc::new(change));
        while self.changes.len() > MOST_CHANGES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes -= oldest.name.len();
        }
        if self.followers == 0 {
            self.unfollowed += 1;
        }
        if self.unfollowed <= MOST_CHANGES {
            return true;
        }
        // The number after a gap that nobody can ask for.
        self.next += 1;
        self.changes = VecDeque::new();
        self.bytes = 0;
        false
    }

    /// Up to `most` changes from `next` on.
    fn after(&self, next: u64, most: usize) -> Option<Vec<Arc<Change>>> {
        let first = self.next - self.changes.len() as u64;
        if next < first || next > self.next {
            return None;
        }
        let skip = (next - first) as usize;
        Some(self.changes.iter().skip(skip).take(most).cloned().collect())
    }
}

/// A place in the changes of a store.
pub struct Follower {
    changes: Arc<Changes>,
    next: u64,
}

impl Follower {
    /// The number of the change that comes next; [`super::Store::follow_from`] goes on there.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Up to `most` changes; the first has the number that `next` gave before. When they are lost, the follower is at what
    /// happens next.
    pub fn take(&mut self, most: usize) -> Result<Vec<Arc<Change>>, Lost> {
        let ring = self.changes.ring();
        let Some(changes) = ring.after(self.next, most) else {
            self.next = ring.next;
            return Err(Lost);
        };
        self.next += changes.len() as u64;
        Ok(changes)
    }

    /// Returns when there is something to take.
    pub async fn changed(&self) {
        loop {
            let more = self.changes.more.notified();
            if self.changes.ring().next != self.next {
                return;
            }
            more.await;
        }
    }

    /// Whether there is something to take within `timeout`; blocks the thread.
    pub fn wait(&self, timeout: Duration) -> bool {
        block_on(self.changed(), timeout)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.changes.ring().followers -= 1;
    }
}
