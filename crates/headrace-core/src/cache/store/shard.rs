//! What one lock guards: a table of entries with their order, their wheel, their marks and leases.
//!
//! Invariants
//! - an entry is in the table, the order and the wheel, or in none of them;
//! - the bytes of entries and marks never exceed the bound when a call returns;
//! - what a call gives back was compared with time and with every invalidation whose call has returned.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use hashbrown::HashTable;
use slab::Slab;

use super::{
    Hit, Leased, New, Stats, Stored,
    changes::{Changes, What},
    clock::Clock,
    entry::{Block, Entry, NONE},
    invalidations::{Invalidations, Rule},
    leases::{Leases, Waiting},
    marks::{Marks, Verdict},
    order::{MOST_USES, Order},
    snapshot::Record,
    tags::{Tag, Tags},
    wheel::{Step, Wheel},
};

/// What all shards have in common.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) invalidations: Invalidations,
    pub(super) tags: Tags,
    pub(super) changes: Arc<Changes>,
}

/// A part of the entries.
pub(super) struct Shard {
    max_bytes: u64,
    table: HashTable<Place>,
    entries: Slab<Entry>,
    order: Order,
    wheel: Wheel,
    marks: Marks,
    leases: Leases,
    /// Of the next value; shards give each their own.
    version: u64,
    versions: u64,
    stats: Stats,
}

/// A key as a call names it.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) hash: u64,
    pub(super) name: &'a [u8],
}

/// Where an entry is; with the bits of its hash, so that the table grows without a look at the entries.
#[derive(Clone, Copy)]
struct Place {
    print: u32,
    slot: u32,
}

impl Shard {
    /// `versions`: the distance between two versions that this shard gives.
    pub(super) fn new(max_bytes: u64, now: u64, version: u64, versions: u64) -> Self {
        Self {
            max_bytes,
            table: HashTable::new(),
            entries: Slab::new(),
            order: Order::new(),
            wheel: Wheel::new(now),
            marks: Marks::default(),
            leases: Leases::new(now),
            version,
            versions,
            stats: Stats::default(),
        }
    }

    pub(super) fn get(&mut self, shared: &Shared, key: Key<'_>) -> Option<Hit> {
        let now = shared.clock.now();
        let Some(slot) = self.live(shared, key, now) else {
            self.stats.misses += 1;
            return None;
        };
        Some(self.hit(slot, now))
    }

    pub(super) fn tags(&mut self, shared: &Shared, key: Key<'_>, version: u64) -> Option<Vec<Box<[u8]>>> {
        let slot = self.live(shared, key, shared.clock.now())?;
        let entry = &self.entries[slot as usize];
        let tags = || self.marks.names(entry.marks).into_iter().map(Into::into).collect();
        (entry.version == version).then(tags)
    }

    pub(super) fn set(&mut self, shared: &Shared, key: Key<'_>, new: &New<'_>, block: Block) -> Stored {
        let now = shared.clock.now();
        // First: what is invalidated from here on must not be stored over what was there.
        let last = shared.invalidations.last();
        let taken = new.lease.map(|id| self.leases.taken(key.hash, key.name, id, now));
        let old = self.live(shared, key, now);
        let is_there = |slot: u32| {
            let entry = &self.entries[slot as usize];
            Some(entry.version) == new.over && entry.is_fresh(now)
        };
        if taken == Some(None) || (new.over.is_some() && !old.is_some_and(is_there)) {
            self.stats.refused += 1;
            return Stored::LeaseLost;
        }
        let since = taken.flatten().or(new.over.map(|_| last));
        let cost = block.cost() as u32;
        let mut entry = Entry::new(block, key.print(), self.next_version(), now, new.life);
        entry.uncounted = new.uncounted;
        // Before the tags' epochs are taken: see invalidations.rs.
        entry.seen = shared.invalidations.last();
        let version = entry.version;
        let slot = match old {
            Some(slot) => slot,
            None => self.entries.vacant_key() as u32,
        };
        entry.marks = self.marks.put(&shared.tags, slot, new.tags, !new.uncounted);
        if let Some(since) = since
            && lease_lost(shared, key, new, since)
        {
            self.marks.remove(&shared.tags, entry.marks);
            self.leases.give_up(key.hash, key.name, None);
            self.stats.refused += 1;
            return Stored::LeaseLost;
        }
        match old {
            Some(slot) => self.replace(shared, slot, entry, cost),
            None => self.insert(entry, cost),
        }
        self.leases.give_up(key.hash, key.name, None);
        if old.is_some() || self.stats.evictions > 0 {
            shared.changes.publish(What::Key, key.name, false);
        }
        self.stats.sets += 1;
        self.make_room(shared);
        Stored::Yes(version)
    }

    /// Takes note of a value that is too large; what it would have replaced is no longer true.
    pub(super) fn refuse(&mut self, shared: &Shared, key: Key<'_>) {
        self.remove(shared, key, false);
        self.stats.refused += 1;
    }

    pub(super) fn lease(&mut self, shared: &Shared, key: Key<'_>, time: u64) -> Leased {
        let now = shared.clock.now();
        let found = self.live(shared, key, now);
        if found.is_none() {
            self.stats.misses += 1;
        }
        let found = found.map(|slot| self.hit(slot, now));
        let stale = match found {
            Some(hit) if !hit.fresh_for.is_zero() => return Leased::Hit(hit),
            stale => stale,
        };
        if self.leases.is_held(key.hash, key.name, now) {
            return Leased::Held { stale };
        }
        let lease = self.next_version();
        let until = now.saturating_add(time);
        let taken = shared.invalidations.last();
        self.leases.grant(key.hash, key.name, lease, until, taken);
        self.stats.leases += 1;
        Leased::Granted { lease, stale }
    }

    pub(super) fn wait(&mut self, shared: &Shared, key: Key<'_>) -> Waiting {
        self.leases.wait(key.hash, key.name, shared.clock.now())
    }

    pub(super) fn lease_left(&mut self, shared: &Shared, key: Key<'_>) -> Duration {
        self.leases.left(key.hash, key.name, shared.clock.now())
    }

    pub(super) fn give_up(&mut self, key: Key<'_>, lease: u64) {
        self.leases.give_up(key.hash, key.name, Some(lease));
    }

    pub(super) fn remove(&mut self, shared: &Shared, key: Key<'_>, soft: bool) -> bool {
        let now = shared.clock.now();
        self.leases.give_up(key.hash, key.name, None);
        // Also where nothing is found: what was evicted may have copies.
        shared.changes.publish(What::Key, key.name, soft);
        let Some(slot) = self.live(shared, key, now) else {
            return false;
        };
        match soft {
            true => self.soften(slot, now),
            false => self.free(shared, slot),
        }
        self.stats.invalidations += 1;
        true
    }

    /// Compares the entries in `slots` with a rule, and ends the leases it hits; false: there are no slots from there on.
    pub(super) fn search(&mut self, shared: &Shared, rule: &Rule, slots: std::ops::Range<usize>) -> bool {
        if slots.start == 0 {
            self.leases.invalidate(&rule.prefix);
        }
        let now = shared.clock.now();
        let more = slots.end < self.entries.capacity();
        for slot in slots {
            if self.entries.contains(slot) {
                self.settle(shared, slot as u32, now);
            }
        }
        more
    }

    /// Gives each entry in `slots` that may be used, with its tags, times as of `now`; false as `search` does.
    pub(super) fn export<E>(
        &mut self,
        shared: &Shared,
        slots: std::ops::Range<usize>,
        now: u64,
        each: &mut impl FnMut(Record<'_>, Vec<&[u8]>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let more = slots.end < self.entries.capacity();
        let at = shared.clock.now();
        for slot in slots {
            if self.entries.contains(slot) && self.settle(shared, slot as u32, at) {
                let entry = &self.entries[slot];
                each(entry.record(now), self.marks.names(entry.marks))?;
            }
        }
        Ok(more)
    }

    /// Takes in an entry from a file, which is `age` old; false: something newer is there.
    pub(super) fn take_in(
        &mut self,
        shared: &Shared,
        key: Key<'_>,
        new: &New<'_>,
        record: &Record<'_>,
        age: u64,
        block: Block,
    ) -> bool {
        let now = shared.clock.now();
        if self.live(shared, key, now).is_some() {
            return false;
        }
        let cost = block.cost() as u32;
        let mut entry = Entry::new(block, key.print(), record.version, now, new.life);
        entry.restore(record, age);
        entry.seen = shared.invalidations.last();
        entry.marks = self
            .marks
            .put(&shared.tags, self.entries.vacant_key() as u32, new.tags, true);
        self.insert(entry, cost);
        self.make_room(shared);
        true
    }

    /// One step of giving back what expired; false: there is nothing more.
    pub(super) fn expire(&mut self, shared: &Shared, now: u64) -> bool {
        if self.leases.expire(now) {
            return true;
        }
        match self.wheel.step(now) {
            Step::Due(slot) => {
                self.settle(shared, slot, now);
            }
            Step::Moved => {}
            Step::Done => return false,
        }
        true
    }

    /// One step of bringing entries up to date that have this tag; false: all are.
    pub(super) fn sweep(&mut self, shared: &Shared, tag: &Tag) -> bool {
        let Some(slot) = self.marks.outdated(tag) else {
            return false;
        };
        self.settle(shared, slot, shared.clock.now());
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.leases.is_empty()
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            entries: self.entries.len() as u64,
            bytes: self.bytes(),
            max_bytes: self.max_bytes,
            ..self.stats
        }
    }

    pub(super) fn count_invalidations(&mut self, entries: u64) {
        self.stats.invalidations += entries;
    }

    fn bytes(&self) -> u64 {
        self.order.bytes() + self.marks.bytes()
    }

    fn next_version(&mut self) -> u64 {
        let version = self.version;
        self.version = version.wrapping_add(self.versions);
        version
    }

    /// Where the key is, if what is there may be used.
    fn live(&mut self, shared: &Shared, key: Key<'_>, now: u64) -> Option<u32> {
        let (print, entries) = (key.print(), &self.entries);
        let same = |place: &Place| place.print == print && entries[place.slot as usize].key() == key.name;
        let slot = self.table.find(spread(print), same)?.slot;
        self.settle(shared, slot, now).then_some(slot)
    }

    /// Brings an entry up to date with time and invalidations; false: it is gone.
    fn settle(&mut self, shared: &Shared, slot: u32, now: u64) -> bool {
        let entry = &self.entries[slot as usize];
        let last = shared.invalidations.last();
        if now < entry.end && (entry.seen == last || self.compare(shared, slot, last, now)) {
            // A soft invalidation may have brought the end nearer.
            if now < self.entries[slot as usize].end {
                return true;
            }
        }
        let entry = &self.entries[slot as usize];
        if entry.end <= now {
            self.stats.expirations += 1;
        }
        self.free(shared, slot);
        false
    }

    /// Compares an entry with the invalidations up to `last`; false: it is over or invalid.
    fn compare(&mut self, shared: &Shared, slot: u32, last: u64, now: u64) -> bool {
        let entry = &self.entries[slot as usize];
        match self.marks.judge(entry.marks) {
            Verdict::Valid => {}
            Verdict::Soft(at) => self.soften(slot, at),
            Verdict::Dead => return false,
        }
        let entry = &self.entries[slot as usize];
        for rule in shared.invalidations.rules(entry.seen, entry.key()) {
            // A rule hits and counts what lives; without a stale time, softened is over.
            if self.entries[slot as usize].end <= now {
                return false;
            }
            rule.hits
                .fetch_add(u64::from(!self.entries[slot as usize].uncounted), SeqCst);
            match rule.soft {
                Some(at) => self.soften(slot, at),
                None => return false,
            }
        }
        self.entries[slot as usize].seen = last;
        true
    }

    fn soften(&mut self, slot: u32, at: u64) {
        let entry = &mut self.entries[slot as usize];
        entry.soften(at);
        self.wheel.set(slot, entry.end);
    }

    fn hit(&mut self, slot: u32, now: u64) -> Hit {
        let entry = &mut self.entries[slot as usize];
        entry.uses = MOST_USES.min(entry.uses + 1);
        match entry.is_fresh(now) {
            true => self.stats.hits += 1,
            false => self.stats.stale_hits += 1,
        }
        entry.hit(now)
    }

    fn insert(&mut self, entry: Entry, cost: u32) {
        let (print, end) = (entry.print, entry.end);
        let slot = self.entries.insert(entry) as u32;
        let place = Place { print, slot };
        self.table
            .insert_unique(spread(print), place, |place| spread(place.print));
        self.order.insert(slot, print, cost);
        self.wheel.set(slot, end);
    }

    /// A new value under the same key keeps its place in the order, and what it was used.
    fn replace(&mut self, shared: &Shared, slot: u32, mut entry: Entry, cost: u32) {
        self.wheel.set(slot, entry.end);
        self.order.recost(slot, cost);
        let old = &mut self.entries[slot as usize];
        entry.uses = MOST_USES.min(old.uses + 1);
        let marks = std::mem::replace(old, entry).marks;
        self.marks.remove(&shared.tags, marks);
    }

    fn make_room(&mut self, shared: &Shared) {
        while self.bytes() > self.max_bytes {
            let Some(slot) = self.order.evict(&mut self.entries) else {
                break;
            };
            self.stats.evictions += 1;
            self.forget(shared, slot);
        }
    }

    fn free(&mut self, shared: &Shared, slot: u32) {
        self.order.remove(slot);
        self.forget(shared, slot);
    }

    /// Removes an entry that is no longer in the order.
    fn forget(&mut self, shared: &Shared, slot: u32) {
        self.wheel.remove(slot);
        let entry = self.entries.remove(slot as usize);
        let here = |place: &Place| place.slot == slot;
        if let Ok(found) = self.table.find_entry(spread(entry.print), here) {
            found.remove();
        }
        if entry.marks != NONE {
            self.marks.remove(&shared.tags, entry.marks);
        }
    }
}

impl Key<'_> {
    /// The half of the hash that chooses within the shard; the other half chose the shard.
    fn print(&self) -> u32 {
        self.hash as u32
    }
}

/// A table wants good bits above and below.
fn spread(print: u32) -> u64 {
    u64::from(print).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn lease_lost(shared: &Shared, key: Key<'_>, new: &New<'_>, taken: u64) -> bool {
    let invalidations = &shared.invalidations;
    let tag = |name: &&[u8]| invalidations.since(taken, shared.tags.hash(name));
    new.tags.iter().any(tag) || !invalidations.rules(taken, key.name).is_empty()
}
