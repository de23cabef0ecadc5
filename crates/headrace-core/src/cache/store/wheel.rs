//! A hierarchical timing wheel: whose time is over, at constant cost for each, however far away it is.
//!
//! Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987), scheme 7. Time is ticks of 2^24 ns (16.8 ms). Each of
//! seven levels has 64 slots; a node lies at the highest digit (base 64) in which its time differs from now, in the slot of
//! that digit. When now reaches a slot of a higher level, its nodes move down, one a step.
//!
//! Invariants
//! - the slot of a node at level `l` is after now's digit there, and all higher digits are now's;
//! - but for one slot that is now's own digit: there the nodes are just moving down, or due;
//! - now never passes a slot in which a node is.
//!
//! A node is due when the tick of its time has passed as a whole, so what is due is over; what is over is due a tick later.

use super::rings::Rings;

const LEVELS: usize = 7;
const SLOTS: u32 = 64;
const DIGIT: u32 = 6;
const ANCHORS: u32 = LEVELS as u32 * SLOTS;
const TICK: u32 = 24;

/// Nodes by the time at which they are due.
pub(super) struct Wheel {
    now: u64,
    rings: Rings,
    /// Of each node the tick at which it is due.
    due: Vec<u64>,
    /// Of each level the slots that hold a node.
    held: [u64; LEVELS],
}

impl Wheel {
    pub(super) fn new(now: u64) -> Self {
        Self {
            now: now >> TICK,
            rings: Rings::new(ANCHORS),
            due: Vec::new(),
            held: [0; LEVELS],
        }
    }

    /// `node` is due at `time`, in nanoseconds; what was said of it before is forgotten.
    pub(super) fn set(&mut self, node: u32, time: u64) {
        let index = node as usize;
        match index < self.due.len() {
            true => self.remove(node),
            false => self.due.resize(index + 1, 0),
        }
        self.due[index] = (time >> TICK) + 1;
        self.place(node);
    }

    /// `node` is never due; harmless where it isn't in the wheel, but not before it ever was.
    pub(super) fn remove(&mut self, node: u32) {
        self.rings.remove(ANCHORS + node);
    }

    /// One step towards `time`, in nanoseconds.
    pub(super) fn step(&mut self, time: u64) -> Step {
        let to = time >> TICK;
        let Some((at, level, slot)) = self.nearest().filter(|(at, ..)| *at <= to) else {
            self.now = self.now.max(to);
            return Step::Done;
        };
        self.now = at;
        let Some(found) = self.rings.oldest(anchor(level, slot)) else {
            self.held[level] &= !(1 << slot);
            return Step::Moved;
        };
        let node = found - ANCHORS;
        self.remove(node);
        if self.due[node as usize] <= at {
            return Step::Due(node);
        }
        self.place(node);
        Step::Moved
    }

    fn place(&mut self, node: u32) {
        let due = self.due[node as usize].max(self.now);
        let level = match (due ^ self.now).checked_ilog2() {
            Some(bit) => ((bit / DIGIT) as usize).min(LEVELS - 1),
            None => 0,
        };
        let slot = digit(due, level);
        self.held[level] |= 1 << slot;
        self.rings.insert(anchor(level, slot), ANCHORS + node);
    }

    /// The slot that comes next, and when now gets there.
    fn nearest(&self) -> Option<(u64, usize, u32)> {
        let of = |level: usize| {
            let here = digit(self.now, level);
            let ahead = self.held[level] & (u64::MAX << here);
            let slot = (ahead != 0).then(|| ahead.trailing_zeros())?;
            let shift = DIGIT * level as u32;
            let begin = ((self.now >> shift) + u64::from(slot - here)) << shift;
            Some((begin.max(self.now), level, slot))
        };
        (0..LEVELS).filter_map(of).min()
    }
}

/// What a step of the wheel did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The time of this node is over; it is no longer in the wheel.
    Due(u32),
    /// One node came closer.
    Moved,
    /// Nothing is due.
    Done,
}

fn digit(time: u64, level: usize) -> u32 {
    (time >> (DIGIT * level as u32)) as u32 % SLOTS
}

fn anchor(level: usize, slot: u32) -> u32 {
    level as u32 * SLOTS + slot
}
