//! The store under all faces of the cache: values by key, bounded in bytes, each with a lifetime of its own.
//!
//! Reading order: this file (what goes in and comes out), `shards.rs` (the calls), `shard.rs` (what one lock guards). Pure,
//! each tested by itself: `order.rs` with `ghost.rs` (who has to go), `wheel.rs` (whose time is over), both on `rings.rs`.
//! Invalidation: `invalidations.rs` (what happened when), `tags.rs` (the tags' epochs), `marks.rs` (which entries have a tag).
//! Beside them `leases.rs` (one computes, others wait), `changes.rs` (what near caches follow), `janitor.rs` (memory back),
//! `snapshot.rs` (from one process to the next).

mod changes;
mod clock;
mod entry;
mod ghost;
mod invalidations;
mod janitor;
mod leases;
mod marks;
mod order;
mod rings;
mod shard;
mod shards;
mod snapshot;
mod tags;
mod wheel;

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

pub use changes::{Change, Follower, Lost, What};
pub use clock::Clock;
pub use leases::Waiting;
pub use shards::Store;

/// How large a store may get.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keys, values, tags and what it takes to keep them.
    pub max_bytes: u64,
    /// A larger one is refused; 0: a quarter of what a shard may hold.
    pub max_value: u64,
    /// Locks, rounded up to a power of two; 0: by cores, fewer where the store is small.
    pub shards: usize,
    /// Where the time comes from; tests set their own.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: 268_435_456,
            max_value: 0,
            shards: 0,
            clock: Clock::system(),
        }
    }
}

/// How long a value may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lifetime {
    pub fresh: Duration,
    /// After `fresh`: usable while it is renewed.
    pub stale: Duration,
}

/// A value to store. It is copied into one allocation of its exact size.
#[derive(Debug, Clone, Copy, Default)]
pub struct New<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    /// Means nothing to the store: the service's `Content-Type`, the edge's head.
    pub meta: &'a [u8],
    pub life: Lifetime,
    pub tags: &'a [&'a [u8]],
    /// Stores only while this lease of the key holds.
    pub lease: Option<u64>,
    /// Stores only in place of this version, while that is fresh.
    pub over: Option<u64>,
    /// It only tells of others, so it is invalidated as they are, but not counted with them.
    pub uncounted: bool,
}

/// A value as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub value: Bytes,
    pub meta: Bytes,
    /// Of the `set` that stored it, never given twice.
    pub version: u64,
    pub age: Duration,
    /// Zero: it is stale.
    pub fresh_for: Duration,
    /// How long it may be used after that; of a stale one, from now on.
    pub stale_for: Duration,
}

/// What became of a `set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// With this version.
    Yes(u64),
    /// Over `max_value`. What was stored under the key before is removed.
    TooLarge,
    /// The key, a tag or a prefix was invalidated since the lease was taken, another value was set, or the lease ran out; or
    /// what it should have been stored over is no longer there.
    LeaseLost,
}

/// Who computes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leased {
    /// Nobody: there is a fresh one.
    Hit(Hit),
    /// The caller, who then sets it with this lease or gives it up.
    Granted { lease: u64, stale: Option<Hit> },
    /// Another one does: see [`Store::wait`].
    Held { stale: Option<Hit> },
}

/// What a store holds, and what happened in it since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub entries: u64,
    pub bytes: u64,
    pub max_bytes: u64,
    /// Fresh ones.
    pub hits: u64,
    pub misses: u64,
    pub stale_hits: u64,
    pub sets: u64,
    /// Entries that made room for others.
    pub evictions: u64,
    /// Entries whose time was over.
    pub expirations: u64,
    /// Entries that were removed or made stale by key, tag or prefix.
    pub invalidations: u64,
    /// Leases that were granted.
    pub leases: u64,
    /// Values that were too large, or whose lease was lost.
    pub refused: u64,
}
