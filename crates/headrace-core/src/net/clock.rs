//! Coarse time for one engine thread.
//!
//! Most time-outs of a server are set for every request and almost never fire. A timer wheel pays for each setting;
//! here a setting is one store. A tick walks over all timers and wakes those that are due: with 20,000 connections
//! that is less than a thousandth of a core.
//!
//! Guarantee: a timer never fires early, and at most two ticks late. Given up: precision below `TICK`; what needs it
//! (back-off, queue deadlines) uses the runtime's own timers, on paths that are rare.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::OnceLock,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

pub const TICK: Duration = Duration::from_millis(100);

/// Later than any time.
pub const NEVER: u64 = u64::MAX;

/// Timers with the same group are fired together by [`Clock::fire`]; 0 is no group.
pub type Group = u64;

/// Connections between requests: the first to close when the engine stops.
pub const IDLE: Group = u64::MAX;

#[derive(Debug)]
struct Slot {
    due: u64,
    group: Group,
    waker: Option<Waker>,
}

/// Where all clocks of the process begin, so that threads can compare what they read.
static START: OnceLock<Instant> = OnceLock::new();

/// The same as [`Clock::now`], for any thread, and not as of a tick.
pub fn elapsed() -> u64 {
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

pub struct Clock {
    now: Cell<u64>,
    slots: RefCell<Slab<Slot>>,
    /// Kept for its room.
    woken: Cell<Vec<Waker>>,
}

impl Clock {
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(elapsed()),
            slots: RefCell::default(),
            woken: Cell::default(),
        })
    }

    /// Milliseconds since the process's first clock was made, as of the latest tick.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    pub fn timer(self: &Rc<Self>) -> Timer {
        let key = self.slots.borrow_mut().insert(Slot {
            due: NEVER,
            group: 0,
            waker: None,
        });
        Timer {
            clock: Rc::clone(self),
            key,
        }
    }

    pub fn tick(&self) {
        self.now.set(elapsed());
        self.wake(|slot, now| slot.due <= now);
    }

    /// Makes every timer of `group` due at once.
    pub fn fire(&self, group: Group) {
        self.wake(|slot, _| {
            if slot.group == group {
                slot.due = 0;
            }
            slot.group == group
        });
    }

    /// Wakes every timer of `group`, or of all, without making it due: what its owner waits for has changed.
    pub fn rouse(&self, group: Option<Group>) {
        self.wake(|slot, _| group.is_none_or(|group| slot.group == group));
    }

    /// Wakes those that `due` picks, once nothing is borrowed: a waker may be the last to hold a task that holds timers.
    fn wake(&self, mut due: impl FnMut(&mut Slot, u64) -> bool) {
        let now = self.now.get();
        let mut woken = self.woken.take();
        for (_, slot) in self.slots.borrow_mut().iter_mut() {
            if due(slot, now) {
                woken.extend(slot.waker.take());
            }
        }
        woken.drain(..).for_each(Waker::wake);
        self.woken.replace(woken);
    }
}

/// One deadline that can be moved any number of times.
pub struct Timer {
    clock: Rc<Clock>,
    key: usize,
}

impl Timer {
    fn with<R>(&self, change: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        self.clock.slots.borrow_mut().get_mut(self.key).map(change)
    }

    pub fn set(&self, after: Duration) {
        // One tick more, because `now` may lag by one.
        let due = self.clock.now.get().saturating_add((after + TICK).as_millis() as u64);
        self.with(|slot| slot.due = due);
    }

    pub fn clear(&self) {
        self.with(|slot| slot.due = NEVER);
    }

    pub fn is_set(&self) -> bool {
        self.with(|slot| slot.due != NEVER).unwrap_or(false)
    }

    pub fn join(&self, group: Group) {
        self.with(|slot| slot.group = group);
    }

    /// Whether the deadline has passed; registers for the wake-up otherwise.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.clock.now.get();
        self.with(|slot| {
            if slot.due <= now {
                return Poll::Ready(());
            }
            match &mut slot.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .unwrap_or(Poll::Ready(()))
    }

    /// Runs `work` for at most `limit`; `None` when the time was over first.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        self.set(limit);
        let done = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => self.poll(cx).map(|()| None),
        })
        .await;
        self.clear();
        done
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clock.slots.borrow_mut().try_remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expired(timer: &Timer) -> bool {
        timer.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_timer_fires_once_its_time_is_over_and_not_before() {
        let clock = Clock::new();
        clock.now.set(0);
        let timer = clock.timer();
        assert!(!expired(&timer));
        timer.set(Duration::from_secs(1));
        clock.now.set(1_000);
        assert!(!expired(&timer));
        clock.now.set(1_100);
        assert!(expired(&timer));
        timer.clear();
        assert!(!expired(&timer));
    }

    #[test]
    fn firing_a_group_touches_no_other_timer() {
        let clock = Clock::new();
        let (idle, busy) = (clock.timer(), clock.timer());
        idle.join(IDLE);
        clock.fire(IDLE);
        assert!(expired(&idle));
        assert!(!expired(&busy));
    }
}
