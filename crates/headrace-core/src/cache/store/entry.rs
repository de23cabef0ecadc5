//! One entry: its bytes in one allocation, and the times that bound it.

use std::time::Duration;

use bytes::Bytes;
use slab::Slab;

use super::{
    Hit, Lifetime, New,
    clock::nanoseconds,
    order::{Entries, MOST_USES},
    snapshot::Record,
};

/// What an entry takes beside its bytes: itself, its places in the table, the order and the wheel, with the room that growing
/// vectors hold in reserve, and the allocator's rounding.
pub(super) const OVERHEAD: u64 = 256;
/// No tag.
pub(super) const NONE: u32 = u32::MAX;

/// A value and what is known of it.
pub(super) struct Entry {
    /// Key, meta and value, one after the other.
    block: Bytes,
    key: u32,
    meta: u32,
    pub(super) print: u32,
    /// Its first mark, or `NONE`.
    pub(super) marks: u32,
    pub(super) version: u64,
    stored: u64,
    fresh_until: u64,
    pub(super) end: u64,
    /// The last invalidation that it was compared with.
    pub(super) seen: u64,
    pub(super) uses: u8,
    pub(super) uncounted: bool,
}

impl Entry {
    pub(super) fn new(block: Block, print: u32, version: u64, now: u64, life: Lifetime) -> Self {
        let fresh_until = now.saturating_add(nanoseconds(life.fresh));
        Self {
            block: block.bytes,
            key: block.key,
            meta: block.meta,
            print,
            marks: NONE,
            version,
            stored: now,
            fresh_until,
            end: fresh_until.saturating_add(nanoseconds(life.stale)),
            seen: 0,
            uses: 0,
            uncounted: false,
        }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.block[..self.key as usize]
    }

    /// From `at` on it is stale; how long it may be used then stays as it was.
    pub(super) fn soften(&mut self, at: u64) {
        if at < self.fresh_until {
            self.end -= self.fresh_until - at;
            self.fresh_until = at;
        }
    }

    /// For a file; times as of `now`.
    pub(super) fn record(&self, now: u64) -> Record<'_> {
        let (key, rest) = self.block.split_at(self.key as usize);
        let (meta, value) = rest.split_at(self.meta as usize);
        Record {
            key,
            meta,
            value,
            version: self.version,
            uses: self.uses,
            age: now.saturating_sub(self.stored),
            fresh_for: self.fresh_until.saturating_sub(now),
            left: self.end.saturating_sub(now),
        }
    }

    /// It is from a file, and `age` old.
    pub(super) fn restore(&mut self, record: &Record<'_>, age: u64) {
        self.version = record.version;
        self.uses = record.uses.min(MOST_USES);
        self.stored = self.stored.saturating_sub(age);
    }

    pub(super) fn is_fresh(&self, now: u64) -> bool {
        now < self.fresh_until
    }

    pub(super) fn hit(&self, now: u64) -> Hit {
        let meta = self.key as usize;
        let value = meta + self.meta as usize;
        let fresh_for = self.fresh_until.saturating_sub(now);
        Hit {
            value: self.block.slice(value..),
            meta: self.block.slice(meta..value),
            version: self.version,
            age: Duration::from_nanos(now.saturating_sub(self.stored)),
            fresh_for: Duration::from_nanos(fresh_for),
            stale_for: Duration::from_nanos(self.end.saturating_sub(now) - fresh_for),
        }
    }
}

impl Entries for Slab<Entry> {
    fn uses(&mut self, slot: u32) -> &mut u8 {
        &mut self[slot as usize].uses
    }

    fn print(&self, slot: u32) -> u32 {
        self[slot as usize].print
    }
}

/// The bytes of a new entry, copied before a lock is taken. A copy, because what came from a socket may be a part of a
/// much larger buffer, which would then stay in memory unseen.
pub(super) struct Block {
    bytes: Bytes,
    key: u32,
    meta: u32,
}

impl Block {
    /// `None`: more than an entry can hold.
    pub(super) fn new(new: &New<'_>) -> Option<Self> {
        let length = new.key.len() + new.meta.len() + new.value.len();
        u32::try_from(length).ok()?;
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(new.key);
        bytes.extend_from_slice(new.meta);
        bytes.extend_from_slice(new.value);
        Some(Self {
            bytes: bytes.into(),
            key: new.key.len() as u32,
            meta: new.meta.len() as u32,
        })
    }

    /// What it costs to keep it.
    pub(super) fn cost(&self) -> u64 {
        self.bytes.len() as u64 + OVERHEAD
    }
}
