//! Who has to go when room is needed: S3-FIFO.
//!
//! Yang et al., "FIFO queues are all you need for cache eviction" (SOSP 2023). Two queues and a memory: what is new enters
//! the small one (a tenth of the bytes); what was used there moves to the main one, the rest is evicted and remembered as a
//! ghost; what comes back while it is remembered enters the main one at once. The main one gives another round for each use,
//! three at most. So a scan passes through the small queue and leaves the main one alone, and a hit writes one byte.
//!
//! Given up: the exact order. After `MOST_MOVES` of others the next in line goes whether it was used or not, so that a `set`
//! has a bounded number of steps for each entry that it evicts.

use super::{ghost::Ghost, rings::Rings};

/// Uses beyond these are not counted.
pub(super) const MOST_USES: u8 = 3;
/// Uses in the small queue that make an entry stay.
const ENOUGH_USES: u8 = 1;
/// A tenth of the bytes, as in the paper.
const SMALL_SHARE: u64 = 10;
const MOST_MOVES: usize = 32;
const ANCHORS: u32 = 2;

/// What the order asks of the entries it knows by their numbers.
pub(super) trait Entries {
    /// How often it was used since this was last set to zero; kept with the entry, where a hit is anyway.
    fn uses(&mut self, slot: u32) -> &mut u8;
    /// Bits of its key's hash.
    fn print(&self, slot: u32) -> u32;
}

/// Entries in the order in which they have to go.
pub(super) struct Order {
    rings: Rings,
    places: Vec<Place>,
    queues: [Sum; 2],
    ghost: Ghost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    Small,
    Main,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    queue: Queue,
    cost: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    entries: usize,
    bytes: u64,
}

impl Order {
    pub(super) fn new() -> Self {
        Self {
            rings: Rings::new(ANCHORS),
            places: Vec::new(),
            queues: [Sum::default(); 2],
            ghost: Ghost::new(),
        }
    }

    /// What all entries cost.
    pub(super) fn bytes(&self) -> u64 {
        self.queues.iter().map(|sum| sum.bytes).sum()
    }

    /// A new entry of `cost` bytes.
    pub(super) fn insert(&mut self, slot: u32, print: u32, cost: u32) {
        let room = self.room();
        let queue = match self.ghost.recall(print, room) {
            true => Queue::Main,
            false => Queue::Small,
        };
        let place = Place { queue, cost };
        match self.places.get_mut(slot as usize) {
            Some(old) => *old = place,
            // Slots are given from 0 up, so it is the next one.
            None => self.places.resize(slot as usize + 1, place),
        }
        self.enter(slot);
    }

    /// An entry that stays where it is costs something else.
    pub(super) fn recost(&mut self, slot: u32, cost: u32) {
        let place = &mut self.places[slot as usize];
        let sum = &mut self.queues[place.queue as usize];
        sum.bytes = sum.bytes - u64::from(place.cost) + u64::from(cost);
        place.cost = cost;
    }

    /// An entry that is no more.
    pub(super) fn remove(&mut self, slot: u32) {
        let Place { queue, cost } = self.places[slot as usize];
        let sum = &mut self.queues[queue as usize];
        sum.entries -= 1;
        sum.bytes -= u64::from(cost);
        self.rings.remove(ANCHORS + slot);
    }

    /// The entry to evict, already removed from the order; `None` where there is none.
    pub(super) fn evict(&mut self, entries: &mut impl Entries) -> Option<u32> {
        for _ in 0..MOST_MOVES {
            let (queue, slot) = self.next()?;
            let uses = entries.uses(slot);
            match queue {
                Queue::Small if *uses < ENOUGH_USES => {
                    let room = self.room();
                    self.ghost.remember(entries.print(slot), room);
                    self.remove(slot);
                    return Some(slot);
                }
                Queue::Small => *uses = 0,
                Queue::Main if *uses == 0 => {
                    self.remove(slot);
                    return Some(slot);
                }
                Queue::Main => *uses -= 1,
            }
            self.remove(slot);
            self.places[slot as usize].queue = Queue::Main;
            self.enter(slot);
        }
        let (_, slot) = self.next()?;
        self.remove(slot);
        Some(slot)
    }

    /// Who is looked at next.
    fn next(&self) -> Option<(Queue, u32)> {
        let small = self.queues[Queue::Small as usize].bytes;
        let main = self.queues[Queue::Main as usize].entries;
        let queue = match small * SMALL_SHARE > self.bytes() || main == 0 {
            true => Queue::Small,
            false => Queue::Main,
        };
        let node = self.rings.oldest(queue as u32)?;
        Some((queue, node - ANCHORS))
    }

    fn enter(&mut self, slot: u32) {
        let Place { queue, cost } = self.places[slot as usize];
        let sum = &mut self.queues[queue as usize];
        sum.entries += 1;
        sum.bytes += u64::from(cost);
        self.rings.insert(queue as u32, ANCHORS + slot);
    }

    /// As many ghosts as the main queue has entries.
    fn room(&self) -> usize {
        self.queues[Queue::Main as usize].entries.max(1)
    }
}
