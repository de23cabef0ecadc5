//! Time for the store: nanoseconds that never step back, and a hand that tests turn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Where time begins: far from zero, so that what was stored before can be older than the process.
const BEGIN: u64 = 1 << 62;

/// Nanoseconds, monotonic.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System(Instant),
    Hand(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's monotonic clock.
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// One that stands still until it is moved; clones move together.
    pub fn by_hand() -> Self {
        Self(Source::Hand(Arc::new(AtomicU64::new(BEGIN))))
    }

    /// Moves one that was made by hand; the machine's is not impressed.
    pub fn advance(&self, by: Duration) {
        if let Source::Hand(now) = &self.0 {
            now.fetch_add(nanoseconds(by), Ordering::SeqCst);
        }
    }

    pub(super) fn now(&self) -> u64 {
        match &self.0 {
            Source::System(begin) => BEGIN + nanoseconds(begin.elapsed()),
            Source::Hand(now) => now.load(Ordering::SeqCst),
        }
    }
}

/// As many as fit: 584 years.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
