//! Connections to the store, kept from one batch to the next and lent to the threads that use them.
//!
//! Invariant: there are never more than so many, lent ones among them. Several batches on their way share them: what one
//! doesn't get, another uses, and the store is as busy as it may be.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::signature::Signer;
use crate::client::{Client, Origin, Patience};

/// What a thread needs to upload.
pub(super) struct Lane {
    pub(super) client: Client,
    pub(super) signer: Signer,
}

pub(super) struct Lanes {
    origin: Origin,
    patience: Patience,
    signer: Signer,
    free: Mutex<Free>,
    returned: Condvar,
}

struct Free {
    idle: Vec<Lane>,
    /// How many more may be made.
    unmade: usize,
}

impl Lanes {
    pub(super) fn new(origin: Origin, patience: Patience, signer: Signer, most: usize) -> Self {
        let (idle, unmade) = (Vec::new(), most.max(1));
        Self {
            origin,
            patience,
            signer,
            free: Mutex::new(Free { idle, unmade }),
            returned: Condvar::new(),
        }
    }

    /// Waits where all are lent.
    pub(super) fn take(&self) -> Lane {
        let mut free = self.free();
        loop {
            if let Some(lane) = self.found(&mut free) {
                return lane;
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn try_take(&self) -> Option<Lane> {
        self.found(&mut self.free())
    }

    pub(super) fn give(&self, lane: Lane) {
        self.free().idle.push(lane);
        self.returned.notify_one();
    }

    /// The one that was used last, whose connection is the most likely to be open.
    fn found(&self, free: &mut Free) -> Option<Lane> {
        free.idle.pop().or_else(|| {
            free.unmade = free.unmade.checked_sub(1)?;
            Some(Lane {
                client: Client::new(self.origin.clone(), self.patience),
                signer: self.signer.clone(),
            })
        })
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
