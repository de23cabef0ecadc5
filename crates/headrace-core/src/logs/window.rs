//! The window in which entries wait for those that are earlier and come later. Pure: no clock, no file, no thread.
//!
//! Time is cut into *slots*. The window's *floor* is a slot: entries of the slots below it have left, sorted by time and
//! by number where times are equal. The floor follows the time at which entries were appended to the journal, so many
//! seconds behind, and never goes back. What comes for a slot below the floor is *late*: it leaves with the slot just
//! below the floor, behind all that is in it, and can be told by its own time.
//!
//! Invariants
//! - what leaves, and in which order, follows from the journal alone: not from how much of it was read at once, and not
//!   from when. A window that is made again from a [`Position`] goes on where the one before stood;
//! - all that was taken with a number below [`Position::next`] and is of a slot below [`Position::floor`] has left;
//! - entries that leave together are of one day, so that a file can end with it;
//! - what waits has at most so many bytes: above that the oldest slots leave early, and then it does depend on reading.
//!
//! Bytes of an entry are copied once, into a piece of its `slot`; keys of 16 bytes are sorted. Given up: to be as exact as a nanosecond about when an entry leaves (it is up to a slot later than need be).

mod slot;

use std::time::Duration;

pub use slot::Slot;
use slot::{Key, Pool};

use super::Entry;
use crate::calendar::DAY;

/// How long a slot is, in nanoseconds. Days are a whole number of them.
pub const SLOT: i64 = 100_000_000;
const SLOTS_OF_DAY: i64 = DAY / SLOT;

/// Where in the journal and in time a window stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The number after the last one that was taken.
    pub next: u64,
    /// The lowest number that waits; `next` where none does.
    pub low: u64,
    /// The first slot that has not left.
    pub floor: i64,
}

#[derive(Debug)]
pub struct Window {
    /// How far the floor is behind, in nanoseconds.
    length: i64,
    /// The most bytes that wait.
    capacity: usize,
    /// What has left before this window was made.
    resumed: Position,
    next: u64,
    floor: i64,
    /// In order of their numbers, none empty.
    slots: Vec<Slot>,
    /// Where in `slots` the latest entry went.
    latest: usize,
    bytes: usize,
    pool: Pool,
}

/// The slot of a time.
fn slot_of(time: i64) -> i64 {
    time.div_euclid(SLOT)
}

impl Window {
    /// `capacity` is in bytes.
    pub fn new(length: Duration, capacity: usize, position: Position) -> Self {
        Self {
            length: i64::try_from(length.as_nanos()).unwrap_or(i64::MAX),
            capacity,
            resumed: position,
            next: position.low,
            floor: position.floor,
            slots: Vec::new(),
            latest: 0,
            bytes: 0,
            pool: Pool::default(),
        }
    }

    pub fn position(&self) -> Position {
        let lowest = self.slots.iter().map(|slot| slot.first).min();
        Position {
            next: self.next.max(self.resumed.next),
            low: lowest.unwrap_or(self.next),
            floor: self.floor,
        }
    }

    /// Entries that wait, and their bytes.
    pub fn waiting(&self) -> (usize, usize) {
        (self.slots.iter().map(Slot::len).sum(), self.bytes)
    }

    /// Moves the floor on to what follows from an append at `time`, in nanoseconds since 1970; false where entries must
    /// leave before it can go all the way.
    #[must_use]
    pub fn advance(&mut self, time: i64) -> bool {
        let wanted = slot_of(time.saturating_sub(self.length));
        if wanted > self.floor {
            self.floor = self.floor.max(wanted.min(self.end_of_day()));
        }
        wanted <= self.floor
    }

    /// The floor at which the day of the oldest entry ends.
    fn end_of_day(&self) -> i64 {
        let oldest = self.slots.first();
        oldest.map_or(i64::MAX, Slot::next_day)
    }

    /// Takes the entry with this number: numbers only grow. False where these bytes are no entry.
    #[must_use]
    pub fn insert(&mut self, number: u64, entry: &[u8]) -> bool {
        self.next = number + 1;
        let Some(own) = Entry::time_of(entry) else {
            return false;
        };
        if number < self.resumed.next && slot_of(own) < self.resumed.floor {
            return true;
        }
        let time = own.max(self.floor.saturating_mul(SLOT).saturating_sub(1));
        let place = self.place(slot_of(time), number);
        self.slots[place].push(time, entry, &mut self.pool);
        self.bytes += entry.len() + size_of::<Key>();
        true
    }

    /// Where the slot of this number is, for an entry of number `first`.
    fn place(&mut self, number: i64, first: u64) -> usize {
        if self.slots.get(self.latest).is_none_or(|slot| slot.number != number) {
            let found = self.slots.binary_search_by_key(&number, |slot| slot.number);
            self.latest = found.unwrap_or_else(|place| {
                self.slots.insert(place, self.pool.slot(number, first));
                place
            });
        }
        self.latest
    }

    /// Bytes that may leave now.
    pub fn leaving(&self) -> usize {
        let leaving = self.slots.iter().take_while(|slot| slot.number < self.floor);
        leaving.map(Slot::size).sum()
    }

    /// Whether more waits than may.
    pub fn is_crowded(&self) -> bool {
        self.bytes > self.capacity
    }

    /// Moves the floor on so far that enough leaves for a while, a day at most.
    pub fn make_room(&mut self) {
        let (mut left, end) = (self.bytes, self.end_of_day());
        for slot in self.slots.iter().take_while(|slot| slot.number < end) {
            if left <= self.capacity / 4 * 3 {
                break;
            }
            left -= slot.size();
            self.floor = self.floor.max(slot.number + 1);
        }
    }

    /// Takes out what is below the floor, in order.
    pub fn leave(&mut self) -> Vec<Slot> {
        let count = self.slots.partition_point(|slot| slot.number < self.floor);
        let mut leaving: Vec<Slot> = self.slots.drain(..count).collect();
        self.latest = 0;
        for slot in &mut leaving {
            self.bytes -= slot.size();
            slot.sort();
        }
        leaving
    }

    /// Takes back what `leave` gave, for its memory.
    pub fn recycle(&mut self, slots: Vec<Slot>) {
        for slot in slots {
            self.pool.take_back(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const START: Position = Position {
        next: 1,
        low: 1,
        floor: i64::MIN / SLOT,
    };

    /// When it was appended, and its own time, in nanoseconds.
    type Sent = (i64, i64);

    fn entry(time: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        Entry {
            time,
            message: "message",
            ..Entry::default()
        }
        .encode(&mut bytes);
        bytes
    }

    fn window(capacity: usize, position: Position) -> Window {
        Window::new(Duration::from_secs(2), capacity, position)
    }

    /// Effective and own times of what leaves.
    fn take_out(window: &mut Window) -> Vec<(i64, i64)> {
        let slots = window.leave();
        let own = |bytes| Entry::time_of(bytes).unwrap();
        let times = slots
            .iter()
            .flat_map(Slot::entries)
            .map(|(time, bytes)| (time, own(bytes)));
        let times = times.collect();
        window.recycle(slots);
        times
    }

    /// Feeds all of `sent` from the window's position on, `batch` at a time; what left.
    fn feed(window: &mut Window, sent: &[Sent], batch: usize) -> Vec<(i64, i64)> {
        let mut left = Vec::new();
        let from = window.position().low;
        for (index, (appended, time)) in sent.iter().enumerate().skip(from as usize - 1) {
            while !window.advance(*appended) {
                left.extend(take_out(window));
            }
            assert!(window.insert(index as u64 + 1, &entry(*time)));
            if index % batch == 0 {
                left.extend(take_out(window));
            }
        }
        left
    }

    fn empty(window: &mut Window) -> Vec<(i64, i64)> {
        let mut left = Vec::new();
        while !window.advance(i64::MAX) {
            left.extend(take_out(window));
        }
        left.extend(take_out(window));
        left
    }

    #[test]
    fn entries_leave_sorted_two_seconds_after_their_time() {
        let mut window = window(usize::MAX, START);
        let sent = [
            (10 * SECOND, 9 * SECOND + 3),
            (10 * SECOND, 9 * SECOND + 1),
            (10 * SECOND, 9 * SECOND + 2),
        ];
        assert_eq!(feed(&mut window, &sent, 1), []);
        assert!(window.advance(11 * SECOND + SLOT - 1));
        assert_eq!(take_out(&mut window), []);
        assert!(window.advance(11 * SECOND + SLOT));
        let own: Vec<i64> = take_out(&mut window).iter().map(|(_, own)| *own - 9 * SECOND).collect();
        assert_eq!(own, [1, 2, 3]);
    }

    #[test]
    fn a_late_entry_leaves_at_once_behind_what_is_earlier() {
        let mut window = window(usize::MAX, START);
        let sent = [
            (10 * SECOND, 10 * SECOND),
            (13 * SECOND, 13 * SECOND),
            (13 * SECOND, 5 * SECOND),
        ];
        let left = feed(&mut window, &sent, 10);
        assert_eq!(left, []);
        let late = (11 * SECOND - 1, 5 * SECOND);
        assert_eq!(take_out(&mut window), [(10 * SECOND, 10 * SECOND), late]);
        assert_eq!(
            window.position(),
            Position {
                next: 4,
                low: 2,
                floor: 11 * SECOND / SLOT
            }
        );
    }

    #[test]
    fn a_clock_that_steps_back_makes_entries_late_and_the_floor_stays() {
        let mut window = window(usize::MAX, START);
        let sent = [
            (10 * SECOND, 10 * SECOND),
            (5 * SECOND, 5 * SECOND),
            (11 * SECOND, 9 * SECOND + 1),
        ];
        feed(&mut window, &sent, 10);
        let own: Vec<i64> = take_out(&mut window).iter().map(|(_, own)| *own).collect();
        assert_eq!(own, [5 * SECOND]);
        assert_eq!(window.position().floor, 9 * SECOND / SLOT);
    }

    #[test]
    fn what_leaves_together_is_of_one_day() {
        let mut window = window(usize::MAX, START);
        for (number, time) in [DAY - 1, DAY, 3 * DAY].into_iter().enumerate() {
            assert!(window.insert(number as u64 + 1, &entry(time)));
        }
        let mut days = Vec::new();
        loop {
            let arrived = window.advance(i64::MAX);
            days.push(
                take_out(&mut window)
                    .iter()
                    .map(|(_, own)| own / DAY)
                    .collect::<Vec<_>>(),
            );
            if arrived {
                break;
            }
        }
        assert_eq!(days, [vec![0], vec![1], vec![3], vec![]]);
    }

    #[test]
    fn a_crowded_window_lets_the_oldest_go_early() {
        let size = entry(0).len() + size_of::<Key>();
        let mut window = window(100 * size, START);
        for number in 1..=101 {
            assert!(window.insert(number, &entry(number.cast_signed() * SLOT)));
            assert_eq!(window.is_crowded(), number == 101);
        }
        window.make_room();
        assert_eq!(take_out(&mut window).len(), 26);
        assert_eq!(window.waiting(), (75, 75 * size));
        assert_eq!(window.position().low, 27);
    }

    #[test]
    fn bytes_that_are_no_entry_are_told() {
        let mut window = window(usize::MAX, START);
        assert!(!window.insert(1, b"short"));
        assert_eq!(window.position().next, 2);
        assert_eq!(window.waiting(), (0, 0));
    }

    fn sent() -> impl Strategy<Value = Vec<Sent>> {
        // Appended up to a second after the one before or a step back; its time some seconds around that, or far away.
        let step = prop_oneof![20 => 0..SECOND, 1 => -20 * SECOND..0, 1 => 0..2 * DAY];
        let skew = prop_oneof![20 => -4 * SECOND..3 * SECOND, 1 => -DAY..DAY, 3 => Just(0)];
        prop::collection::vec((step, skew), 0..200).prop_map(|steps| {
            let mut now = 20_000 * DAY;
            let sent = steps.into_iter().map(|(step, skew)| {
                now += step;
                (now, now + skew)
            });
            sent.collect()
        })
    }

    proptest! {
        #[test]
        fn what_leaves_does_not_depend_on_how_much_is_read_at_once(sent in sent(), batch in 1_usize..50) {
            let leave = |batch| {
                let mut window = window(usize::MAX, START);
                let mut left = feed(&mut window, &sent, batch);
                left.extend(empty(&mut window));
                left
            };
            let left = leave(batch);
            prop_assert_eq!(&left, &leave(usize::MAX));
            prop_assert!(left.is_sorted_by_key(|(time, _)| *time));
            let mut own: Vec<i64> = left.iter().map(|(_, own)| *own).collect();
            let mut times: Vec<i64> = sent.iter().map(|(_, time)| *time).collect();
            own.sort_unstable();
            times.sort_unstable();
            prop_assert_eq!(own, times);
        }

        #[test]
        fn a_window_made_again_goes_on_where_the_one_before_stood(sent in sent(), stop in 0_usize..200, batch in 1_usize..50) {
            let (mut whole, mut first) = (window(usize::MAX, START), window(usize::MAX, START));
            let mut wanted = feed(&mut whole, &sent, batch);
            wanted.extend(empty(&mut whole));
            let mut left = feed(&mut first, &sent[..stop.min(sent.len())], batch);
            left.extend(take_out(&mut first));
            let mut second = window(usize::MAX, first.position());
            left.extend(feed(&mut second, &sent, batch));
            left.extend(empty(&mut second));
            prop_assert_eq!(left, wanted);
        }

        #[test]
        fn the_floor_never_goes_back_and_what_waits_is_bounded(sent in sent(), capacity in 100_usize..4000) {
            let mut window = window(capacity, START);
            let mut floor = window.position().floor;
            let mut count = 0;
            for (index, (appended, time)) in sent.iter().enumerate() {
                while !window.advance(*appended) {
                    count += take_out(&mut window).len();
                }
                prop_assert!(window.insert(index as u64 + 1, &entry(*time)));
                while window.is_crowded() {
                    window.make_room();
                    count += take_out(&mut window).len();
                }
                prop_assert!(window.waiting().1 <= capacity);
                prop_assert!(floor <= window.position().floor);
                floor = window.position().floor;
            }
            prop_assert_eq!(count + window.waiting().0, sent.len());
        }
    }
}
