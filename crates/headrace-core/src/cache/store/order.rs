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

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries whose keys' hashes are their numbers.
    struct Used(Vec<u8>);

    impl Entries for Used {
        fn uses(&mut self, slot: u32) -> &mut u8 {
            &mut self.0[slot as usize]
        }

        fn print(&self, slot: u32) -> u32 {
            slot
        }
    }

    fn filled(entries: u32, cost: u32) -> (Order, Used) {
        let mut order = Order::new();
        (0..entries).for_each(|slot| order.insert(slot, slot, cost));
        (order, Used(vec![0; entries as usize]))
    }

    fn evicted(order: &mut Order, used: &mut Used, many: usize) -> Vec<u32> {
        (0..many).map_while(|_| order.evict(used)).collect()
    }

    #[test]
    fn what_was_never_used_goes_as_it_came() {
        let (mut order, mut used) = filled(4, 10);
        assert_eq!(evicted(&mut order, &mut used, 9), [0, 1, 2, 3]);
        assert_eq!(order.bytes(), 0);
    }

    #[test]
    fn what_was_used_outlives_a_scan() {
        let (mut order, mut used) = filled(200, 10);
        used.0[..20].fill(1);
        // To the last tenth, from which on it is the main queue's turn.
        let gone = evicted(&mut order, &mut used, 178);
        assert_eq!(gone, (20..198).collect::<Vec<_>>());
        assert_eq!(order.evict(&mut used), Some(0));
    }

    #[test]
    fn what_comes_back_while_it_is_remembered_is_no_longer_new() {
        let (mut order, mut used) = filled(40, 10);
        used.0[1..30].fill(1);
        assert_eq!(order.evict(&mut used), Some(0));
        order.insert(0, 0, 10);
        // It lies in the main queue, as its oldest: others go before it while the small one is more than a tenth.
        assert_eq!(evicted(&mut order, &mut used, 8), [30, 31, 32, 33, 34, 35, 36, 0]);
    }

    #[test]
    fn each_use_is_another_round() {
        let (mut order, mut used) = filled(3, 10);
        used.0.fill(1);
        // All move to the main queue, their use spent on it; the last goes nowhere, as each has none left.
        assert_eq!(order.evict(&mut used), Some(0));
        used.0[1] = MOST_USES;
        assert_eq!(evicted(&mut order, &mut used, 2), [2, 1]);
    }

    #[test]
    fn an_eviction_has_a_bounded_number_of_steps() {
        let (mut order, mut used) = filled(1_000, 10);
        used.0.fill(MOST_USES);
        assert_eq!(order.evict(&mut used), Some(MOST_MOVES as u32));
    }

    #[test]
    fn bytes_are_those_of_what_is_there() {
        let (mut order, mut used) = filled(3, 10);
        order.recost(1, 25);
        assert_eq!(order.bytes(), 45);
        order.remove(0);
        assert_eq!(order.bytes(), 35);
        assert_eq!(order.evict(&mut used), Some(1));
        assert_eq!(order.bytes(), 10);
        order.insert(0, 7, 1);
        assert_eq!(order.bytes(), 11);
    }
}
