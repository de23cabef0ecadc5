//! How fast a request's body comes, where its client is waited for.

use std::time::Duration;

/// Bytes, and the milliseconds spent waiting for them. Only that time counts: a slow server must not make a client look
/// slow.
#[derive(Debug, Default)]
pub(super) struct Pace {
    bytes: u64,
    waited: u64,
    since: Option<u64>,
}

impl Pace {
    /// Nothing has come at `now`; whether that is news.
    pub(super) fn wait(&mut self, now: u64) -> bool {
        let news = self.since.is_none();
        self.since.get_or_insert(now);
        news
    }

    /// Whether the client is waited for.
    pub(super) fn is_waiting(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn arrived(&mut self, bytes: u64, now: u64) {
        self.bytes += bytes;
        if let Some(since) = self.since.take() {
            self.waited += now.saturating_sub(since);
        }
    }

    /// Whether fewer than `least` bytes a second came, once `grace` was spent waiting.
    pub(super) fn is_too_slow(&self, least: u64, grace: Duration) -> bool {
        let grace = grace.as_millis() as u64;
        self.waited > grace && self.bytes * 1000 < least * self.waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_spent_waiting_counts() {
        let mut pace = Pace::default();
        assert!(pace.wait(0) && !pace.wait(10) && pace.is_waiting());
        pace.arrived(100, 1_000);
        pace.arrived(100, 60_000);
        assert!(!pace.is_too_slow(500, Duration::from_secs(2)));
        assert!(pace.wait(60_000));
        pace.arrived(100, 62_000);
        assert!(pace.is_too_slow(500, Duration::from_secs(2)));
        assert!(!pace.is_too_slow(50, Duration::from_secs(2)));
    }
}
