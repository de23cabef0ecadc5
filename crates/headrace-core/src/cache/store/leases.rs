//! Who computes which key, and who waits for it. One shard's; its lock guards it.
//!
//! Who waits holds the other end of a channel that the lease owns. So whatever ends a lease (the key is set, invalidated,
//! given up, the time is over) wakes all who wait, because the lease is dropped; nobody has to think of them.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hashbrown::HashTable;
use slab::Slab;
use tokio::sync::oneshot;

use super::{
    janitor::block_on,
    rings::Rings,
    wheel::{Step, Wheel},
};

/// More leases than these in a shard at a time: the oldest are lost.
const MOST: usize = 16_384;
/// Of `ages`.
const ANCHOR: u32 = 0;

/// The leases of a shard.
pub(super) struct Leases {
    held: Slab<Lease>,
    table: HashTable<u32>,
    wheel: Wheel,
    ages: Rings,
}

struct Lease {
    hash: u64,
    key: Box<[u8]>,
    id: u64,
    until: u64,
    /// The last invalidation when it was taken.
    taken: u64,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Leases {
    pub(super) fn new(now: u64) -> Self {
        Self {
            held: Slab::new(),
            table: HashTable::new(),
            wheel: Wheel::new(now),
            ages: Rings::new(1),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether somebody holds the key's.
    pub(super) fn is_held(&mut self, hash: u64, key: &[u8], now: u64) -> bool {
        self.find(hash, key, now).is_some()
    }

    /// Nobody must hold the key's.
    pub(super) fn grant(&mut self, hash: u64, key: &[u8], id: u64, until: u64, taken: u64) {
        if self.held.len() == MOST
            && let Some(node) = self.ages.oldest(ANCHOR)
        {
            self.end(node - 1);
        }
        let slot = self.held.insert(Lease {
            hash,
            key: key.into(),
            id,
            until,
            taken,
            waiting: Vec::new(),
        }) as u32;
        let held = &self.held;
        self.table.insert_unique(hash, slot, |slot| held[*slot as usize].hash);
        self.wheel.set(slot, until);
        self.ages.insert(ANCHOR, slot + 1);
    }

    /// The last invalidation when lease `id` of the key was taken, if it still holds.
    pub(super) fn taken(&mut self, hash: u64, key: &[u8], id: u64, now: u64) -> Option<u64> {
        let slot = self.find(hash, key, now)?;
        let lease = &self.held[slot as usize];
        (lease.id == id).then_some(lease.taken)
    }

    /// Ends the key's, if it is `id` or any where that is `None`.
    pub(super) fn give_up(&mut self, hash: u64, key: &[u8], id: Option<u64>) {
        let Some(slot) = self.slot(hash, key) else { return };
        if id.is_none_or(|id| self.held[slot as usize].id == id) {
            self.end(slot);
        }
    }

    /// Something that becomes ready when the key's lease ends.
    pub(super) fn wait(&mut self, hash: u64, key: &[u8], now: u64) -> Waiting {
        let Some(slot) = self.find(hash, key, now) else {
            return Waiting {
                end: None,
                at_most: Duration::ZERO,
            };
        };
        let lease = &mut self.held[slot as usize];
        if lease.waiting.len() == lease.waiting.capacity() {
            lease.waiting.retain(|waiting| !waiting.is_closed());
        }
        let (ended, end) = oneshot::channel();
        lease.waiting.push(ended);
        let at_most = Duration::from_nanos(lease.until - now);
        Waiting {
            end: Some(end),
            at_most,
        }
    }

    /// For how long the key's is held, if nothing ends it before.
    pub(super) fn left(&mut self, hash: u64, key: &[u8], now: u64) -> Duration {
        let left = self
            .find(hash, key, now)
            .map(|slot| self.held[slot as usize].until - now);
        Duration::from_nanos(left.unwrap_or(0))
    }

    /// One step of ending what ran out; false: there is nothing more.
    pub(super) fn expire(&mut self, now: u64) -> bool {
        match self.wheel.step(now) {
            Step::Due(slot) => self.end(slot),
            Step::Moved => {}
            Step::Done => return false,
        }
        true
    }

    /// Ends those of keys that begin with `prefix`.
    pub(super) fn invalidate(&mut self, prefix: &[u8]) {
        let hit = |(slot, lease): (usize, &Lease)| lease.key.starts_with(prefix).then_some(slot as u32);
        let slots: Vec<u32> = self.held.iter().filter_map(hit).collect();
        for slot in slots {
            self.end(slot);
        }
    }

    fn find(&mut self, hash: u64, key: &[u8], now: u64) -> Option<u32> {
        let slot = self.slot(hash, key)?;
        if self.held[slot as usize].until <= now {
            self.end(slot);
            return None;
        }
        Some(slot)
    }

    fn slot(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let same = |slot: &u32| *self.held[*slot as usize].key == *key;
        self.table.find(hash, same).copied()
    }

    fn end(&mut self, slot: u32) {
        self.wheel.remove(slot);
        self.ages.remove(slot + 1);
        let lease = self.held.remove(slot as usize);
        if let Ok(found) = self.table.find_entry(lease.hash, |other| *other == slot) {
            found.remove();
        }
    }
}

/// The end of a lease that another one holds: the key was set, invalidated or given up, or the lease ran out.
///
/// A future for tasks; the runtime's timer has to see to a limit. [`Waiting::block`] is for threads that may wait.
#[derive(Debug)]
pub struct Waiting {
    end: Option<oneshot::Receiver<()>>,
    at_most: Duration,
}

impl Waiting {
    /// Whether the lease ended within `timeout`.
    pub fn block(self, timeout: Duration) -> bool {
        let runs_out = self.at_most <= timeout;
        let timeout = timeout.min(self.at_most);
        block_on(self, timeout) || runs_out
    }
}

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.end {
            Some(end) => Pin::new(end).poll(context).map(|_ended| ()),
            None => Poll::Ready(()),
        }
    }
}
