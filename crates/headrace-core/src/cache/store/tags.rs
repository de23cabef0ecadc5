//! The tags: what invalidates many entries at once, without looking for them.
//!
//! A tag has an epoch; an entry remembers the epochs of its tags as they were when it was set, and is dead when one has moved
//! on. Epoch and number of live entries share one atomic number, so that each entry is counted in exactly one epoch and an
//! invalidation gets an exact number. Soft invalidations have an epoch of their own, and the times of the last of them.
//!
//! A tag is here while a shard has an entry with it, dead ones too.

use std::{
    borrow::Borrow,
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

const STRIPES: usize = 16;
/// Times of soft invalidations that are kept for entries which have not been looked at since.
const SOFT_TIMES: usize = 32;
const LIVE: u64 = u32::MAX as u64;

/// All tags that an entry has.
pub(super) struct Tags {
    stripes: [Mutex<HashSet<Named>>; STRIPES],
    hasher: RandomState,
}

/// One tag.
pub(super) struct Tag {
    pub(super) name: Box<[u8]>,
    /// The epoch, above the number of live entries of it.
    state: AtomicU64,
    soft: Mutex<Soft>,
    /// Of `Soft`, to be read without its lock.
    soft_epoch: AtomicU64,
    /// Shards that have entries with it; changed under the stripe's lock.
    homes: AtomicU64,
    /// The janitor has been told.
    pub(super) queued: AtomicBool,
}

#[derive(Default)]
struct Soft {
    epoch: u64,
    /// Of the last epochs, the oldest first.
    times: VecDeque<u64>,
}

/// The epochs of a tag when an entry was set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Epochs {
    pub(super) hard: u32,
    pub(super) soft: u64,
}

/// A tag by its name.
pub(super) struct Named(pub(super) Arc<Tag>);

impl Tags {
    pub(super) fn new() -> Self {
        Self {
            stripes: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// The tag, for a shard that begins to have entries with it.
    pub(super) fn enter(&self, name: &[u8]) -> Arc<Tag> {
        let mut stripe = self.stripe(name);
        let known = stripe.get(name).map(|named| Arc::clone(&named.0));
        let tag = known.unwrap_or_else(|| {
            let tag = Arc::new(Tag::new(name));
            stripe.insert(Named(Arc::clone(&tag)));
            tag
        });
        tag.homes.fetch_add(1, SeqCst);
        tag
    }

    /// A shard has no entry with it any more.
    pub(super) fn leave(&self, tag: &Tag) {
        let mut stripe = self.stripe(&tag.name);
        if tag.homes.fetch_sub(1, SeqCst) == 1 {
            stripe.remove(&*tag.name);
        }
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<Arc<Tag>> {
        self.stripe(name).get(name).map(|named| Arc::clone(&named.0))
    }

    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }

    fn stripe(&self, name: &[u8]) -> MutexGuard<'_, HashSet<Named>> {
        let stripe = &self.stripes[self.hash(name) as usize % STRIPES];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tag {
    fn new(name: &[u8]) -> Self {
        Self {
            name: name.into(),
            state: AtomicU64::new(0),
            soft: Mutex::default(),
            soft_epoch: AtomicU64::new(0),
            homes: AtomicU64::new(0),
            queued: AtomicBool::new(false),
        }
    }

    /// One more entry, of these epochs.
    pub(super) fn count(&self) -> Epochs {
        let soft = self.soft_epoch.load(SeqCst);
        let hard = (self.state.fetch_add(1, SeqCst) >> 32) as u32;
        Epochs { hard, soft }
    }

    /// One entry less, which was set in epoch `hard`.
    pub(super) fn discount(&self, hard: u32) {
        let less = |state: u64| ((state >> 32) as u32 == hard).then(|| state - 1);
        // An entry of an epoch that is over is counted no more: nothing to do.
        let _ = self.state.fetch_update(SeqCst, SeqCst, less);
    }

    /// The epochs as of now.
    pub(super) fn epochs(&self) -> Epochs {
        Epochs {
            hard: (self.state.load(SeqCst) >> 32) as u32,
            soft: self.soft_epoch.load(SeqCst),
        }
    }

    /// Ends the epoch; how many entries lived in it.
    pub(super) fn end(&self) -> u64 {
        let next = |state: u64| Some(((state >> 32).wrapping_add(1)) << 32);
        let before = self.state.fetch_update(SeqCst, SeqCst, next);
        before.unwrap_or_else(|state| state) & LIVE
    }

    /// All that is there is stale from `now` on; how many that are.
    pub(super) fn soften(&self, now: u64) -> u64 {
        let mut soft = self.soft();
        soft.epoch += 1;
        soft.times.push_back(now);
        if soft.times.len() > SOFT_TIMES {
            soft.times.pop_front();
        }
        self.soft_epoch.store(soft.epoch, SeqCst);
        self.state.load(SeqCst) & LIVE
    }

    /// When the first soft invalidation after epoch `soft` was. Where that is no longer known: at the beginning of all time,
    /// because longer ago is the safe side.
    pub(super) fn softened(&self, soft: u64) -> u64 {
        let state = self.soft();
        let back = (state.epoch - soft) as usize;
        match state.times.len().checked_sub(back) {
            Some(index) => state.times.get(index).copied().unwrap_or(u64::MAX),
            None => 0,
        }
    }

    fn soft(&self) -> MutexGuard<'_, Soft> {
        self.soft.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Borrow<[u8]> for Named {
    fn borrow(&self) -> &[u8] {
        &self.0.name
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Named {}
