//! What was invalidated when, in one order, so that a hit compares one number.
//!
//! Invalidations are numbered. An entry knows the last one that it was compared with; when that is the last of all, nothing
//! can have happened to it. Otherwise its tags' epochs and the prefixes are looked at, once.
//!
//! The order that must hold: an invalidation takes effect (epoch, rule) *before* its number shows, and an entry reads the
//! number *before* it takes the epochs of its tags. So who has seen a number has seen its effect, and an entry that is set at
//! the same moment is at worst compared once more.
//!
//! A prefix is a *rule* while the entries are being searched for it. Readers apply it themselves until the search is through.
//!
//! `recent` is for leases: what was computed before an invalidation must not be stored after it, and a tag that no entry has
//! is remembered nowhere else. Tags share places by their hash: a lease may be lost to a tag of another name (one in 65,536),
//! which costs one more computation; one that should be lost always is.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{Acquire, SeqCst},
    },
};

const PLACES: usize = 1 << 16;

/// All invalidations by tag and prefix.
pub(super) struct Invalidations {
    last: AtomicU64,
    /// Whose turn it is to be the next.
    turn: Mutex<()>,
    active: AtomicUsize,
    rules: RwLock<Vec<Arc<Rule>>>,
    recent: Box<[AtomicU64]>,
}

/// A prefix that is being searched for.
pub(super) struct Rule {
    number: u64,
    pub(super) prefix: Box<[u8]>,
    /// Stale from then on; `None`: gone.
    pub(super) soft: Option<u64>,
    /// Entries it hit.
    pub(super) hits: AtomicU64,
}

impl Invalidations {
    pub(super) fn new() -> Self {
        Self {
            last: AtomicU64::new(0),
            turn: Mutex::default(),
            active: AtomicUsize::new(0),
            rules: RwLock::default(),
            recent: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Acquire)
    }

    /// Invalidates the tag with this hash by what `change` does.
    pub(super) fn tag<T>(&self, hash: u64, change: impl FnOnce() -> T) -> T {
        let turn = self.turn();
        let number = self.last() + 1;
        // Before the epoch: who is set in the new epoch under an older lease must find it here.
        self.place(hash).store(number, SeqCst);
        let changed = change();
        self.last.store(number, SeqCst);
        drop(turn);
        changed
    }

    /// From now on the rule holds for what was set before.
    pub(super) fn begin(&self, prefix: &[u8], soft: Option<u64>) -> Arc<Rule> {
        let turn = self.turn();
        let number = self.last() + 1;
        let rule = Arc::new(Rule {
            number,
            prefix: prefix.into(),
            soft,
            hits: AtomicU64::new(0),
        });
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.push(Arc::clone(&rule));
        drop(rules);
        self.active.fetch_add(1, SeqCst);
        self.last.store(number, SeqCst);
        drop(turn);
        rule
    }

    /// Every entry has been compared with the rule.
    pub(super) fn end(&self, rule: &Arc<Rule>) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|other| !Arc::ptr_eq(rule, other));
        self.active.fetch_sub(1, SeqCst);
    }

    /// The rules later than `seen` that hit `key`, the oldest first.
    pub(super) fn rules(&self, seen: u64, key: &[u8]) -> Vec<Arc<Rule>> {
        if self.active.load(SeqCst) == 0 {
            return Vec::new();
        }
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let hit = |rule: &&Arc<Rule>| rule.number > seen && key.starts_with(&rule.prefix);
        rules.iter().filter(hit).cloned().collect()
    }

    /// Whether the tag with this hash was invalidated later than `seen`.
    pub(super) fn since(&self, seen: u64, hash: u64) -> bool {
        self.place(hash).load(SeqCst) > seen
    }

    fn place(&self, hash: u64) -> &AtomicU64 {
        &self.recent[(hash >> 32) as usize % PLACES]
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
