//! Streams, and how they end when who carries them leaves: their app server, or the balancer itself.
//!
//! A stream is what has no end that could be waited for: a tunnel, or a response without a length that has lasted for
//! [`STREAM_AGE`]. Were they cut together at the deadline, all their clients would come back in the same instant. So each
//! gets a turn of its own between now and the deadline, as `HAProxy` does it with `close-spread-time`. What is no stream has
//! until the deadline.
//!
//! While nobody leaves, nothing is kept and nothing is looked up: a request learns of the leaving when it is polled, and all
//! are woken once for that. Turns follow an [`super::order`], so no list of streams is needed.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use super::{local::Local, server::State};
use crate::net::clock::{NEVER, TICK, Timer};

/// A response without a length that has lasted so long is a stream: pages are through by then.
pub(super) const STREAM_AGE: Duration = Duration::from_secs(10);
/// Parts in a hundred of the time left over which the turns are spread. The rest is for ends that are on their way.
const SPREAD: u64 = 90;
/// How one exchange ends when its server or the balancer leaves. Times are the clock's milliseconds.
pub(super) struct Ending<'a> {
    state: &'a State,
    /// From when on it counts as a stream.
    stream_from: u64,
    turn: Option<Turn>,
}

struct Turn {
    leaves_by: u64,
    timer: Timer,
}

impl<'a> Ending<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        Self {
            state,
            stream_from: NEVER,
            turn: None,
        }
    }

    /// It has become a tunnel.
    pub(super) fn tunnel(&mut self, now: u64) {
        self.stream_from = now;
    }

    /// Its response has begun, without a length. `now` may be a tick ago: no stream is taken for older than it is.
    pub(super) fn endless(&mut self, now: u64) {
        self.stream_from = now + (STREAM_AGE + TICK).as_millis() as u64;
    }

    /// Ready when it is a stream and its turn to end has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, local: &Local) -> Poll<()> {
        if self.stream_from == NEVER {
            return Poll::Pending;
        }
        let stop_by = local.thread.stop_by();
        let Some(leaves_by) = self.state.leaves_by().into_iter().chain(stop_by).min() else {
            self.turn = None;
            return Poll::Pending;
        };
        if self.turn.as_ref().is_none_or(|turn| turn.leaves_by != leaves_by) {
            self.turn = Some(self.take_turn(local, leaves_by));
        }
        self.turn.as_ref().map_or(Poll::Pending, |turn| turn.timer.poll(cx))
    }

    fn take_turn(&self, local: &Local, leaves_by: u64) -> Turn {
        let clock = &local.thread.clock;
        let timer = clock.timer();
        let now = clock.now();
        let last = now + leaves_by.saturating_sub(now) * SPREAD / 100;
        let first = self.stream_from.max(now);
        if first <= last {
            let wait = first - now + local.order.next(last - first);
            timer.set(Duration::from_millis(wait));
        }
        Turn { leaves_by, timer }
    }
}
