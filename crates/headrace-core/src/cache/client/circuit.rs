//! When a cache that fails is asked again: pure, time comes in from outside.
//!
//! A caller that waits for a cache that hangs loses its whole time-out, and so does each caller after it. After
//! [`FAILURES`] failures in a row nobody asks for [`FIRST`]; then one caller does, for all, and its success lets everybody
//! in again. Each failure of such a caller doubles the pause, up to [`LONGEST`].
//!
//! Given up: a share of failures instead of a row. A cache that answers every other call is still worth asking.

use std::time::{Duration, Instant};

const FAILURES: u32 = 3;
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// In a row, since the last success.
    failures: u32,
    /// Open until then; the pause that led there.
    open: Option<(Instant, Duration)>,
}

impl Circuit {
    /// Whether a caller may ask now. After a pause it may for all others, who go on waiting for what comes of it.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        match &mut self.open {
            None => true,
            Some((until, _)) if now < *until => false,
            Some((until, pause)) => {
                *until = now + *pause;
                true
            }
        }
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let pause = match self.open {
            // Who was on the way already when it opened says nothing new.
            Some((until, pause)) if now < until && self.failures <= FAILURES => pause,
            Some((_, pause)) => LONGEST.min(pause * 2),
            None if self.failures >= FAILURES => FIRST,
            None => return,
        };
        self.open = Some((now + pause, pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_a_success_closes_it() {
        let (mut circuit, now) = (Circuit::default(), Instant::now());
        circuit.failed(now);
        circuit.failed(now);
        circuit.succeeded();
        circuit.failed(now);
        circuit.failed(now);
        assert!(circuit.admits(now));
        circuit.failed(now);
        assert!(!circuit.admits(now));
        assert!(!circuit.admits(now + Duration::from_millis(999)));
        circuit.succeeded();
        assert!(circuit.admits(now));
    }

    #[test]
    fn after_the_pause_one_asks_for_all() {
        let (mut circuit, now) = (Circuit::default(), Instant::now());
        (0..3).for_each(|_| circuit.failed(now));
        assert!(circuit.admits(now + after(1)));
        assert!(!circuit.admits(now + after(1)));
        assert!(circuit.admits(now + after(2)), "whoever asked has never come back");
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let (mut circuit, mut now) = (Circuit::default(), Instant::now());
        (0..3).for_each(|_| circuit.failed(now));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let pause = (1..60).find(|pause| circuit.admits(now + after(*pause))).unwrap();
            pauses.push(pause);
            now += after(pause);
            circuit.failed(now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
    }
}
