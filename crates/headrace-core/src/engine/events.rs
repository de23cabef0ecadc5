//! What happened, for Python to read. Written on rare occasions from any thread.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A server that left the table has nothing in flight any more.
    Drained { server: String },
    /// A probe ended: its duration, or why it failed.
    Probe {
        server: String,
        outcome: Result<(), String>,
        took: Duration,
    },
    /// A listener failed (or recovered): in words.
    Listener { ok: bool, detail: String },
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    woken: bool,
    closed: bool,
}

#[derive(Debug, Default)]
pub struct Events {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Events {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, event: Event) {
        self.queue().events.push_back(event);
        self.changed.notify_all();
    }

    /// Makes a waiting `take` return.
    pub fn wake(&self) {
        self.queue().woken = true;
        self.changed.notify_all();
    }

    pub fn close(&self) {
        self.queue().closed = true;
        self.changed.notify_all();
    }

    /// Waits for events until `timeout`; all there are, oldest first.
    pub fn take(&self, timeout: Duration) -> Vec<Event> {
        let waiting = |queue: &mut Queue| queue.events.is_empty() && !queue.woken && !queue.closed;
        let (mut queue, _) = self
            .changed
            .wait_timeout_while(self.queue(), timeout, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        queue.woken = false;
        queue.events.drain(..).collect()
    }
}
