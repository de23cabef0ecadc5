//! The thread that gives memory back, in steps so small that no lock is held for long. Nothing waits for it: what is over or
//! invalidated is never served, whether it has been here or not.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use super::Store;

/// How long memory of the dead may stay, and how late the end of a lease may be told.
const PERIOD: Duration = Duration::from_millis(50);

/// Wakes the janitor.
#[derive(Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_one();
    }

    /// Waits for the bell, for a period at most where that is asked for.
    fn wait(&self, at_most: Option<Duration>) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = |rung: &mut bool| !*rung;
        let mut rung = match at_most {
            Some(time) => {
                let waited = self.heard.wait_timeout_while(rung, time, silent);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self
                .heard
                .wait_while(rung, silent)
                .unwrap_or_else(PoisonError::into_inner),
        };
        *rung = false;
    }
}

/// Starts the thread; it ends with the store.
pub(super) fn start(store: &Arc<Store>, bell: Arc<Bell>) {
    let store = Arc::downgrade(store);
    let thread = thread::Builder::new().name("headrace-cache".to_owned());
    // Where no thread can be had, eviction alone brings memory back: the bound holds all the same.
    let _ = thread.spawn(move || work(&store, &bell));
}

fn work(store: &Weak<Store>, bell: &Bell) {
    while let Some(store) = store.upgrade() {
        let empty = store.tidy();
        drop(store);
        bell.wait((!empty).then_some(PERIOD));
    }
}

/// Whether `future` came to its end within `timeout`; blocks this thread.
pub(super) fn block_on(future: impl Future<Output = ()>, timeout: Duration) -> bool {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let begin = Instant::now();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(()) {
            return true;
        }
        let Some(left) = timeout.checked_sub(begin.elapsed()) else {
            return false;
        };
        thread::park_timeout(left);
    }
}
