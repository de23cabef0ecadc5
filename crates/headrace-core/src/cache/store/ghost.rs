//! What was evicted not long ago: fingerprints only, so that a key that comes back at once is known for one that matters.
//!
//! A table of buckets instead of a queue with an index: each fingerprint has the number of the eviction that left it, and
//! is forgotten when as many more have happened as there is room. A full bucket forgets its oldest.

const WAYS: usize = 4;
const LEAST: usize = 64;

/// Fingerprints of what was evicted.
pub(super) struct Ghost {
    seen: Vec<Trace>,
    evictions: u32,
}

#[derive(Clone, Copy, Default)]
struct Trace {
    print: u32,
    eviction: u32,
}

impl Ghost {
    pub(super) fn new() -> Self {
        Self {
            seen: vec![Trace::default(); LEAST],
            // Half-way round: what was never written is as old as can be.
            evictions: 1 << 31,
        }
    }

    /// Something with this fingerprint was evicted; the last `room` are known.
    pub(super) fn remember(&mut self, print: u32, room: usize) {
        if room > self.seen.len() {
            self.grow(room);
        }
        self.evictions = self.evictions.wrapping_add(1);
        let eviction = self.evictions;
        self.put(Trace { print, eviction });
    }

    /// Whether it is among the last `room` evicted; not a second time.
    pub(super) fn recall(&mut self, print: u32, room: usize) -> bool {
        let now = self.evictions;
        let known = |trace: &&mut Trace| trace.print == print && (now.wrapping_sub(trace.eviction) as usize) < room;
        match self.bucket(print).iter_mut().find(known) {
            Some(trace) => {
                trace.eviction = now.wrapping_sub(1 << 31);
                true
            }
            None => false,
        }
    }

    fn put(&mut self, trace: Trace) {
        let now = self.evictions;
        let age = |old: &&mut Trace| now.wrapping_sub(old.eviction);
        if let Some(oldest) = self.bucket(trace.print).iter_mut().max_by_key(age) {
            *oldest = trace;
        }
    }

    fn bucket(&mut self, print: u32) -> &mut [Trace] {
        let first = (print as usize * WAYS) & (self.seen.len() - 1);
        &mut self.seen[first..first + WAYS]
    }

    fn grow(&mut self, room: usize) {
        let size = room.next_power_of_two();
        let before = std::mem::replace(&mut self.seen, vec![Trace::default(); size]);
        for trace in before {
            self.put(trace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_evicted_is_known_once() {
        let mut ghost = Ghost::new();
        ghost.remember(7, 10);
        assert!(!ghost.recall(8, 10));
        assert!(ghost.recall(7, 10));
        assert!(!ghost.recall(7, 10));
    }

    #[test]
    fn nothing_is_known_of_what_never_was() {
        let mut ghost = Ghost::new();
        assert!((0..1_000).all(|print| !ghost.recall(print, LEAST)));
    }

    #[test]
    fn it_is_forgotten_when_as_many_followed_as_there_is_room() {
        for (followed, known) in [(4, true), (5, false)] {
            let mut ghost = Ghost::new();
            ghost.remember(0, 5);
            (1..=followed).for_each(|print| ghost.remember(print, 5));
            assert_eq!(ghost.recall(0, 5), known, "{followed}");
        }
    }

    #[test]
    fn a_full_bucket_forgets_its_oldest() {
        let mut ghost = Ghost::new();
        let buckets = (LEAST / WAYS) as u32;
        let same_bucket: Vec<_> = (0..=WAYS as u32).map(|number| number * buckets).collect();
        for print in &same_bucket {
            ghost.remember(*print, LEAST);
        }
        let known: Vec<_> = same_bucket.iter().map(|print| ghost.recall(*print, LEAST)).collect();
        assert_eq!(known, [false, true, true, true, true]);
    }

    #[test]
    fn growing_forgets_nothing() {
        let mut ghost = Ghost::new();
        (0..8).for_each(|print| ghost.remember(print, LEAST));
        ghost.remember(8, 1_000);
        assert!((0..=8).all(|print| ghost.recall(print, 1_000)));
    }

    #[test]
    fn the_count_of_evictions_may_come_round() {
        let mut ghost = Ghost::new();
        ghost.evictions = u32::MAX - 1;
        (0..4).for_each(|print| ghost.remember(print, 4));
        assert!((0..4).all(|print| ghost.recall(print, 4)));
    }
}
