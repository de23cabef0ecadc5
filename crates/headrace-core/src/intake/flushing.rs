//! When the journal writes what an engine thread appended: once the thread has done all that was ready, and what one more
//! look at the sockets brought.
//!
//! All requests that are there share one sync then, and a lone one waits for no more than that look. A sync for the first
//! of them would have the others wait until it ends.

use std::{rc::Rc, sync::Weak};

use tokio::{
    sync::Notify,
    task::{spawn_local, yield_now},
};

use crate::journal::Journal;

/// One engine thread's word to the journal.
#[derive(Default)]
pub(crate) struct Flushing {
    appended: Notify,
}

impl Flushing {
    /// With its task, which ends with the thread or after the journal.
    pub(crate) fn start(journal: Weak<Journal>) -> Rc<Self> {
        let flushing = Rc::new(Self::default());
        drop(spawn_local(Rc::clone(&flushing).run(journal)));
        flushing
    }

    /// Something was appended.
    pub(crate) fn plan(&self) {
        self.appended.notify_one();
    }

    async fn run(self: Rc<Self>, journal: Weak<Journal>) {
        loop {
            self.appended.notified().await;
            // The runtime goes on here behind all that is ready, and behind all that becomes so by its next poll.
            yield_now().await;
            match journal.upgrade() {
                Some(journal) => journal.flush(),
                None => return,
            }
        }
    }
}
