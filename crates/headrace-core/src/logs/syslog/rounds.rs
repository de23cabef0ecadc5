//! When connections that are busy read: together, some times a second.
//!
//! A sender that gives each message a write of its own would cost a wake-up, a read and a part of a sync for each. What comes
//! between two rounds costs one of these together, and nobody waits for an answer.

use std::{rc::Rc, time::Duration};

use tokio::{sync::Notify, task::spawn_local, time::sleep};

/// Little beside the time that an entry waits for earlier ones, and long enough for some messages to come.
const PAUSE: Duration = Duration::from_millis(20);

/// The rounds of one engine thread.
#[derive(Default)]
pub(super) struct Rounds {
    wanted: Notify,
    begun: Notify,
}

impl Rounds {
    /// With its task, which ends with the thread.
    pub(super) fn start() -> Rc<Self> {
        let rounds = Rc::new(Self::default());
        drop(spawn_local(Rc::clone(&rounds).run()));
        rounds
    }

    async fn run(self: Rc<Self>) {
        loop {
            self.wanted.notified().await;
            sleep(PAUSE).await;
            self.begun.notify_waiters();
        }
    }

    /// Until the next one.
    pub(super) async fn next(&self) {
        let begun = self.begun.notified();
        self.wanted.notify_one();
        begun.await;
    }
}
