//! Requests that wait for a server: all are full, or one is expected back.
//!
//! First come, first served. Whoever leaves a server, and every new table, wakes the foremost; one that gets its server (or
//! gives up) wakes the next. So a wake-up is never lost, and a free place is never left while somebody waits.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

#[derive(Debug, Default)]
struct Line {
    next: u64,
    waiting: VecDeque<(u64, Waker)>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    length: AtomicUsize,
}

impl Queue {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length.load(Ordering::SeqCst) == 0
    }

    /// Lines up; `None` when `most` are waiting.
    pub(super) fn join(self: &Arc<Self>, most: usize, waker: &Waker) -> Option<Place> {
        let mut line = self.line();
        if line.waiting.len() >= most {
            return None;
        }
        let number = line.next;
        line.next += 1;
        line.waiting.push_back((number, waker.clone()));
        self.length.store(line.waiting.len(), Ordering::SeqCst);
        drop(line);
        Some(Place {
            queue: Arc::clone(self),
            number,
        })
    }

    pub(super) fn wake_foremost(&self) {
        if !self.is_empty()
            && let Some((_, waker)) = self.line().waiting.front()
        {
            waker.wake_by_ref();
        }
    }
}

/// A place in a queue, given up when dropped.
#[derive(Debug)]
pub(super) struct Place {
    queue: Arc<Queue>,
    number: u64,
}

impl Place {
    /// Whether it is this one's turn; keeps `waker` for when it comes.
    pub(super) fn is_foremost(&self, waker: &Waker) -> bool {
        let mut line = self.queue.line();
        if let Some((_, kept)) = line.waiting.iter_mut().find(|(number, _)| *number == self.number) {
            kept.clone_from(waker);
        }
        line.waiting.front().is_some_and(|(number, _)| *number == self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        line.waiting.retain(|(number, _)| *number != self.number);
        self.queue.length.store(line.waiting.len(), Ordering::SeqCst);
        drop(line);
        self.queue.wake_foremost();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_served_in_order_and_bounded() {
        let queue = Arc::new(Queue::default());
        let waker = Waker::noop();
        let first = queue.join(2, waker).unwrap();
        let second = queue.join(2, waker).unwrap();
        assert!(queue.join(2, waker).is_none());
        assert!(first.is_foremost(waker) && !second.is_foremost(waker));
        drop(first);
        assert!(second.is_foremost(waker));
        drop(second);
        assert!(queue.is_empty());
    }
}
