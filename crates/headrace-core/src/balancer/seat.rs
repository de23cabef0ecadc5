//! What a thread keeps for one server.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use super::{
    pool::Pool,
    server::{ServerCounters, State},
};

pub(super) struct Seat {
    pub(super) state: Arc<State>,
    pub(super) counters: Arc<ServerCounters>,
    pub(super) pool: Pool,
    /// When the server leaves, as far as its requests were woken to see.
    leaves_by: Cell<Option<u64>>,
}

impl Seat {
    pub(super) fn new(state: &Arc<State>) -> Self {
        Self {
            state: Arc::clone(state),
            counters: state.counters(),
            pool: Pool::default(),
            leaves_by: Cell::default(),
        }
    }

    /// Goes where the server is now.
    pub(super) fn follow(&self) {
        self.pool.follow(self.state.moves.load(Ordering::Relaxed));
    }

    /// Whether the time at which the server leaves is another than at the last call.
    pub(super) fn leaves_anew(&self) -> bool {
        let leaves_by = self.state.leaves_by();
        self.leaves_by.replace(leaves_by) != leaves_by
    }
}

/// A connection in use, until dropped.
pub(super) struct InUse(Rc<Seat>);

impl InUse {
    pub(super) fn new(seat: &Rc<Seat>) -> Self {
        seat.pool.enter();
        Self(Rc::clone(seat))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.pool.leave();
    }
}
