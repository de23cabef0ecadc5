//! What is known of one app server over all threads, from its first table until nothing of it is left.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    metrics::{Counter, Distribution, Histogram},
    net::address::Address,
};

/// How long a server that could not be reached is passed over at first, and at most.
const AVOID: Duration = Duration::from_secs(1);
const AVOID_MOST: Duration = Duration::from_secs(10);

/// What one engine thread counts of one server.
#[derive(Debug, Default)]
pub(super) struct ServerCounters {
    pub(super) requests: Counter,
    pub(super) failures: Counter,
    pub(super) latency: Histogram,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) id: String,
    /// Never given twice in a balancer's life; names the pools and the timers of this server.
    pub(super) key: u64,
    pub(super) in_flight: AtomicUsize,
    /// Whether the current table has it.
    listed: AtomicBool,
    /// How often its address has changed: connections to the one before are of no use.
    pub(super) moves: AtomicU64,
    address: Mutex<Option<Address>>,
    /// When it leaves, in the clock's milliseconds, and its streams have ended; 0 while it stays.
    leaves_by: AtomicU64,
    /// Whether what is in flight shall end.
    cut: AtomicBool,
    /// Whether its being empty after it left was told.
    told: AtomicBool,
    /// How often in a row it could not be reached.
    strikes: AtomicU32,
    /// Until when, in the clock's milliseconds, others go first, because it could not be reached.
    avoid_until: AtomicU64,
    failures_in_a_row: AtomicU32,
    last_failure: Mutex<String>,
    counters: Mutex<Vec<Arc<ServerCounters>>>,
}

/// What Python reads of a server.
#[derive(Debug, Clone)]
pub struct Stats {
    pub id: String,
    pub in_flight: usize,
    pub requests: u64,
    pub failures: u64,
    pub failures_in_a_row: u32,
    pub last_failure: String,
    pub latency: Distribution,
}

impl State {
    pub(super) fn new(id: &str, key: u64) -> Self {
        Self {
            id: id.to_owned(),
            key,
            in_flight: AtomicUsize::new(0),
            listed: AtomicBool::new(true),
            moves: AtomicU64::new(0),
            address: Mutex::default(),
            leaves_by: AtomicU64::new(0),
            cut: AtomicBool::new(false),
            told: AtomicBool::new(false),
            strikes: AtomicU32::new(0),
            avoid_until: AtomicU64::new(0),
            failures_in_a_row: AtomicU32::new(0),
            last_failure: Mutex::default(),
            counters: Mutex::default(),
        }
    }

    pub(super) fn is_listed(&self) -> bool {
        self.listed.load(Ordering::SeqCst)
    }

    pub(super) fn list(&self, address: &Address) {
        let mut current = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| current != address) {
            self.moves.fetch_add(1, Ordering::SeqCst);
        }
        *current = Some(address.clone());
        drop(current);
        self.listed.store(true, Ordering::SeqCst);
        self.told.store(false, Ordering::SeqCst);
        self.leaves_by.store(0, Ordering::SeqCst);
        self.cut.store(false, Ordering::SeqCst);
    }

    pub(super) fn unlist(&self) {
        self.listed.store(false, Ordering::SeqCst);
    }

    /// Whether it has left and is empty, said once.
    pub(super) fn newly_drained(&self) -> bool {
        !self.is_listed() && self.in_flight.load(Ordering::SeqCst) == 0 && !self.told.swap(true, Ordering::SeqCst)
    }

    /// Takes one more request, where it still is in the table and `capacity` (0: any) allows.
    pub(super) fn enter(&self, capacity: usize) -> bool {
        let before = self.in_flight.fetch_add(1, Ordering::SeqCst);
        let room = capacity == 0 || before < capacity;
        // Read after the addition: whoever unlists it from here on sees this request in flight.
        if room && self.is_listed() {
            return true;
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        false
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn leave_by(&self, by: u64) {
        self.leaves_by.store(by, Ordering::SeqCst);
    }

    pub(super) fn leaves_by(&self) -> Option<u64> {
        Some(self.leaves_by.load(Ordering::Relaxed)).filter(|by| *by != 0)
    }

    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// It could not be reached: others go first for a while, twice as long each time.
    pub(super) fn unreached(&self, now: u64) {
        let strikes = self.strikes.fetch_add(1, Ordering::Relaxed);
        let pause = AVOID.as_millis() as u64 * (1 << strikes.min(4));
        self.avoid_until
            .store(now + pause.min(AVOID_MOST.as_millis() as u64), Ordering::Relaxed);
    }

    pub(super) fn reached(&self) {
        if self.strikes.load(Ordering::Relaxed) != 0 {
            self.strikes.store(0, Ordering::Relaxed);
            self.avoid_until.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn is_avoided(&self, now: u64) -> bool {
        self.strikes.load(Ordering::Relaxed) != 0 && self.avoid_until.load(Ordering::Relaxed) > now
    }

    /// Whether a request may be sent to it. Of those that come when its pause is over one tries, the others go elsewhere.
    pub(super) fn may_try(&self, now: u64) -> bool {
        if self.strikes.load(Ordering::Relaxed) == 0 {
            return true;
        }
        let until = self.avoid_until.load(Ordering::Relaxed);
        let mine = now + AVOID_MOST.as_millis() as u64;
        until <= now
            && self
                .avoid_until
                .compare_exchange(until, mine, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(super) fn failed(&self, why: String) {
        self.failures_in_a_row.fetch_add(1, Ordering::Relaxed);
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(super) fn succeeded(&self) {
        // Looked at first, because a write would move the line between cores for every request.
        if self.failures_in_a_row.load(Ordering::Relaxed) != 0 {
            self.failures_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Counters for one more thread.
    pub(super) fn counters(&self) -> Arc<ServerCounters> {
        let counters = Arc::new(ServerCounters::default());
        self.counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&counters));
        counters
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats {
            id: self.id.clone(),
            in_flight: self.in_flight.load(Ordering::SeqCst),
            requests: 0,
            failures: 0,
            failures_in_a_row: self.failures_in_a_row.load(Ordering::Relaxed),
            last_failure: self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            latency: Distribution::default(),
        };
        for thread in self.counters.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            stats.requests += thread.requests.get();
            stats.failures += thread.failures.get();
            stats.latency.add(&thread.latency);
        }
        stats
    }
}
