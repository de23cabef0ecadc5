//! The calls of the store: each finds its shard and holds one lock for a moment.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use super::{
    Follower, Hit, Leased, New, Options, Stats, Stored, Waiting,
    changes::{Changes, What},
    clock::nanoseconds,
    entry::Block,
    invalidations::Invalidations,
    janitor::{self, Bell},
    shard::{Key, Shard, Shared},
    snapshot::Record,
    tags::{Tag, Tags},
};

/// Shards for each core, where the store is large enough.
const SHARDS_A_CORE: usize = 4;
/// A shard of less would evict for lack of luck rather than of room.
const LEAST_SHARD: u64 = 8 << 20;
/// Steps under one lock.
const STEPS: usize = 64;
/// Steps that an invalidation does for those before it, so that its count is exact.
const HELP: usize = 256;

/// Values by key, for all threads of a process. Every call but `invalidate_prefix`, `save` and `load` is short.
pub struct Store {
    shards: Box<[Mutex<Shard>]>,
    shared: Shared,
    hasher: RandomState,
    max_value: u64,
    /// What a shard may hold.
    max_entry: u64,
    /// Invalidated tags whose entries the janitor has not yet looked at.
    swept: Mutex<VecDeque<Arc<Tag>>>,
    bell: Arc<Bell>,
    /// The janitor waits for the bell alone.
    asleep: AtomicBool,
}

impl Store {
    /// An empty one, with a thread that gives memory back; dropping the last `Arc` ends both.
    pub fn new(options: Options) -> Arc<Self> {
        let store = Arc::new(Self::alone(options));
        janitor::start(&store, Arc::clone(&store.bell));
        store
    }

    /// One without a thread: memory comes back when it is told to.
    pub(super) fn alone(options: Options) -> Self {
        let shards = shards(&options);
        let max_bytes = options.max_bytes / shards as u64;
        let hasher = RandomState::new();
        // A random begin, so that versions are not given again after a restart.
        let version = hasher.hash_one("version") >> 1;
        let now = options.clock.now();
        let shard = |index| Mutex::new(Shard::new(max_bytes, now, version + index as u64, shards as u64));
        Self {
            shards: (0..shards).map(shard).collect(),
            shared: Shared {
                clock: options.clock,
                invalidations: Invalidations::new(),
                tags: Tags::new(),
                changes: Arc::new(Changes::new()),
            },
            hasher,
            max_value: match options.max_value {
                0 => max_bytes / 4,
                given => given.min(max_bytes),
            },
            max_entry: max_bytes,
            swept: Mutex::default(),
            bell: Arc::new(Bell::default()),
            asleep: AtomicBool::new(false),
        }
    }

    /// The value, never one whose time is over; one with `fresh_for` zero is stale.
    pub fn get(&self, key: &[u8]) -> Option<Hit> {
        let key = self.key(key);
        self.shard(key).get(&self.shared, key)
    }

    /// The tags of the value with this `version`; `None`: it is not there any more.
    pub fn tags(&self, key: &[u8], version: u64) -> Option<Vec<Box<[u8]>>> {
        let key = self.key(key);
        self.shard(key).tags(&self.shared, key, version)
    }

    /// Stores a value in place of the one before, and ends the key's lease.
    pub fn set(&self, new: New<'_>) -> Stored {
        let key = self.key(new.key);
        let fits = |block: &Block| self.fits(&new, block);
        let Some(block) = Block::new(&new).filter(fits) else {
            self.shard(key).refuse(&self.shared, key);
            return Stored::TooLarge;
        };
        let stored = self.shard(key).set(&self.shared, key, &new, block);
        self.wake();
        stored
    }

    /// Who computes the value: a fresh hit, or a lease for one caller, which the others wait for.
    pub fn lease(&self, key: &[u8], time: Duration) -> Leased {
        let key = self.key(key);
        let leased = self.shard(key).lease(&self.shared, key, nanoseconds(time));
        self.wake();
        leased
    }

    /// Ends a lease without a value.
    pub fn give_up(&self, key: &[u8], lease: u64) {
        let key = self.key(key);
        self.shard(key).give_up(key, lease);
    }

    /// The end of the lease that another one holds; ready at once where nobody does.
    pub fn wait(&self, key: &[u8]) -> Waiting {
        let key = self.key(key);
        self.shard(key).wait(&self.shared, key)
    }

    /// For how long another one holds the key's lease, if nothing ends it before; zero where nobody does.
    pub fn lease_left(&self, key: &[u8]) -> Duration {
        let key = self.key(key);
        self.shard(key).lease_left(&self.shared, key)
    }

    /// Removes the value, or makes it stale; whether there was one. A lease of the key is lost.
    pub fn remove(&self, key: &[u8], soft: bool) -> bool {
        let key = self.key(key);
        self.shard(key).remove(&self.shared, key, soft)
    }

    /// Removes all entries with the tag, or makes them stale; how many. Leases are lost whose value would have it.
    ///
    /// An entry that another invalidation or time ended a moment ago may still be counted, when many were.
    pub fn invalidate_tag(&self, tag: &[u8], soft: bool) -> u64 {
        self.sweep(HELP);
        let shared = &self.shared;
        let change = || {
            let tag = shared.tags.find(tag)?;
            let count = match soft {
                true => tag.soften(shared.clock.now()),
                false => tag.end(),
            };
            Some((tag, count))
        };
        let found = shared.invalidations.tag(shared.tags.hash(tag), change);
        shared.changes.publish(What::Tag, tag, soft);
        let Some((tag, count)) = found else { return 0 };
        self.lock(0).count_invalidations(count);
        if !tag.queued.swap(true, SeqCst) {
            self.swept().push_back(tag);
            self.bell.ring();
        }
        count
    }

    /// Removes all entries whose key begins with `prefix`, or makes them stale; how many. Nobody gets one from the first
    /// moment on, but the call takes its time: it looks at every key.
    pub fn invalidate_prefix(&self, prefix: &[u8], soft: bool) -> u64 {
        let shared = &self.shared;
        let rule = shared.invalidations.begin(prefix, soft.then(|| shared.clock.now()));
        shared.changes.publish(What::Prefix, prefix, soft);
        for index in 0..self.shards.len() {
            let mut slot = 0;
            while self.lock(index).search(shared, &rule, slot..slot + STEPS) {
                slot += STEPS;
            }
        }
        shared.invalidations.end(&rule);
        let count = rule.hits.load(SeqCst);
        self.lock(0).count_invalidations(count);
        count
    }

    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for index in 0..self.shards.len() {
            sum.add(self.lock(index).stats());
        }
        sum
    }

    /// Follows the changes from now on.
    pub fn follow(&self) -> Follower {
        self.shared.changes.follow(None)
    }

    /// Follows them from the change with number `next` on; where that is gone, its first `take` says so.
    pub fn follow_from(&self, next: u64) -> Follower {
        self.shared.changes.follow(Some(next))
    }

    /// Gives every entry that may be used, with its tags, under one lock after another.
    pub(super) fn export<E>(&self, each: &mut impl FnMut(Record<'_>, Vec<&[u8]>) -> Result<(), E>) -> Result<(), E> {
        let now = self.shared.clock.now();
        for index in 0..self.shards.len() {
            let mut slot = 0;
            while self.lock(index).export(&self.shared, slot..slot + STEPS, now, each)? {
                slot += STEPS;
            }
        }
        Ok(())
    }

    /// Takes in an entry from a file; whether it did.
    pub(super) fn take_in(&self, new: &New<'_>, record: &Record<'_>, age: u64) -> bool {
        let key = self.key(new.key);
        let fits = |block: &Block| self.fits(new, block);
        let Some(block) = Block::new(new).filter(fits) else {
            return false;
        };
        let taken = self.shard(key).take_in(&self.shared, key, new, record, age, block);
        self.wake();
        taken
    }

    fn fits(&self, new: &New<'_>, block: &Block) -> bool {
        block.cost() <= self.max_entry && new.value.len() as u64 <= self.max_value
    }

    /// Gives back what is over or invalid, in small steps; whether nothing is left that could need it.
    pub(super) fn tidy(&self) -> bool {
        self.asleep.store(false, SeqCst);
        let now = self.shared.clock.now();
        for index in 0..self.shards.len() {
            while self.steps(index, |shard| shard.expire(&self.shared, now)) {
                thread::yield_now();
            }
        }
        self.sweep(usize::MAX);
        // First said, then looked: who sets something after the look sees what was said.
        self.asleep.store(true, SeqCst);
        let empty = (0..self.shards.len()).all(|index| self.lock(index).is_empty());
        if !empty {
            self.asleep.store(false, SeqCst);
        }
        empty
    }

    /// Looks at the entries of invalidated tags, at `most` of them.
    fn sweep(&self, most: usize) {
        let mut left = most;
        while left > 0 {
            let Some(tag) = self.swept().pop_front() else { return };
            // Before the first look: whoever invalidates it from now on queues it again.
            tag.queued.store(false, SeqCst);
            for index in 0..self.shards.len() {
                while left > 0 && self.steps(index, |shard| shard.sweep(&self.shared, &tag)) {
                    left = left.saturating_sub(STEPS);
                }
            }
            if left == 0 && !tag.queued.swap(true, SeqCst) {
                self.swept().push_back(tag);
            }
        }
    }

    /// Some steps under one lock; whether there are more to do.
    fn steps(&self, index: usize, mut step: impl FnMut(&mut Shard) -> bool) -> bool {
        let mut shard = self.lock(index);
        (0..STEPS).all(|_| step(&mut shard))
    }

    fn wake(&self) {
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            self.bell.ring();
        }
    }

    fn key<'a>(&self, name: &'a [u8]) -> Key<'a> {
        Key {
            hash: self.hasher.hash_one(name),
            name,
        }
    }

    fn shard(&self, key: Key<'_>) -> MutexGuard<'_, Shard> {
        self.lock((key.hash >> 32) as usize & (self.shards.len() - 1))
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn swept(&self) -> MutexGuard<'_, VecDeque<Arc<Tag>>> {
        self.swept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.bell.ring();
    }
}

impl Stats {
    fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
        self.max_bytes += other.max_bytes;
        self.hits += other.hits;
        self.misses += other.misses;
        self.stale_hits += other.stale_hits;
        self.sets += other.sets;
        self.evictions += other.evictions;
        self.expirations += other.expirations;
        self.invalidations += other.invalidations;
        self.leases += other.leases;
        self.refused += other.refused;
    }
}

fn shards(options: &Options) -> usize {
    if options.shards > 0 {
        return options.shards.next_power_of_two();
    }
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let least = LEAST_SHARD.max(options.max_value.saturating_mul(4));
    let room = (options.max_bytes / least).max(1) as usize;
    let most = (cores * SHARDS_A_CORE).next_power_of_two();
    // The power of two below: a shard is never smaller than that.
    most.min(1 << room.ilog2())
}
