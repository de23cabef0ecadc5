//! Requests that wait for the journal, and how its writer's thread wakes them.
//!
//! All that one sync made safe is told to an engine thread at once: the writer puts numbers into a box and rings once,
//! a task of the thread empties the box. A wake-up across threads costs more than all else that is done for a request.

use std::{
    cell::RefCell,
    mem,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use slab::Slab;
use tokio::sync::Notify;

use crate::journal::{Completion, Failure};

type Outcome = Result<(), Failure>;

#[derive(Default)]
pub(crate) struct Inbox {
    news: Mutex<News>,
    bell: Notify,
}

#[derive(Default)]
struct News {
    settled: Vec<(usize, Outcome)>,
    landed: bool,
}

impl Inbox {
    fn put(&self, change: impl FnOnce(&mut News)) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = news.settled.is_empty() && !news.landed;
        change(&mut news);
        drop(news);
        if quiet {
            self.bell.notify_one();
        }
    }

    /// Something has landed.
    pub(crate) fn landed(&self) {
        self.put(|news| news.landed = true);
    }
}

enum Slot {
    Waiting(Option<Waker>),
    Settled(Outcome),
    /// Whoever waited is gone.
    Left,
}

/// Those of one engine thread that wait.
pub(crate) struct Waiting {
    inbox: Arc<Inbox>,
    slots: RefCell<Slab<Slot>>,
    landing: RefCell<Vec<Waker>>,
}

impl Waiting {
    /// With its task, which ends with the thread.
    pub(crate) fn start(inbox: Arc<Inbox>) -> Rc<Self> {
        let waiting = Rc::new(Self {
            inbox,
            slots: RefCell::default(),
            landing: RefCell::default(),
        });
        drop(tokio::task::spawn_local(Rc::clone(&waiting).listen()));
        waiting
    }

    async fn listen(self: Rc<Self>) {
        loop {
            self.inbox.bell.notified().await;
            let news = mem::take(&mut *self.inbox.news.lock().unwrap_or_else(PoisonError::into_inner));
            for (index, outcome) in news.settled {
                self.settle(index, outcome);
            }
            if news.landed {
                self.landing.take().into_iter().for_each(Waker::wake);
            }
        }
    }

    fn settle(&self, index: usize, outcome: Outcome) {
        let mut slots = self.slots.borrow_mut();
        let before = slots
            .get_mut(index)
            .map(|slot| mem::replace(slot, Slot::Settled(outcome)));
        if let Some(Slot::Left) = before {
            slots.remove(index);
        }
        drop(slots);
        if let Some(Slot::Waiting(Some(waker))) = before {
            waker.wake();
        }
    }

    /// A place to wait at, and the completion that ends it.
    pub(crate) fn place(self: &Rc<Self>) -> (Place, Completion) {
        let index = self.slots.borrow_mut().insert(Slot::Waiting(None));
        let place = Place {
            waiting: Rc::clone(self),
            index,
        };
        let inbox = Arc::clone(&self.inbox);
        let completion = Box::new(move |outcome| inbox.put(|news| news.settled.push((index, outcome))));
        (place, completion)
    }

    /// Wakes whoever polls when something has landed.
    pub(crate) fn await_landing(&self, cx: &Context<'_>) {
        self.landing.borrow_mut().push(cx.waker().clone());
    }
}

/// Where one request waits until what it brought is safe.
pub(crate) struct Place {
    waiting: Rc<Waiting>,
    index: usize,
}

impl Place {
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Outcome> {
        match self.waiting.slots.borrow_mut().get_mut(self.index) {
            Some(Slot::Settled(outcome)) => Poll::Ready(*outcome),
            Some(Slot::Waiting(waker)) => {
                waker.replace(cx.waker().clone());
                Poll::Pending
            }
            Some(Slot::Left) | None => Poll::Ready(Err(Failure::Failed)),
        }
    }
}

impl Place {
    /// Gives the place up where its completion will not come.
    pub(crate) fn cancel(self) {
        self.waiting.settle(self.index, Err(Failure::Failed));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut slots = self.waiting.slots.borrow_mut();
        if let Some(slot) = slots.get_mut(self.index) {
            match slot {
                Slot::Settled(_) => drop(slots.remove(self.index)),
                // Its completion is still to come: the place must not be another's by then.
                _ => *slot = Slot::Left,
            }
        }
    }
}
