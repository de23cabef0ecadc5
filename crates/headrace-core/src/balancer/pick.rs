//! Which server gets a request. A pick looks at a few servers, never at all of them, unless most cannot be used.
//!
//! Round robin takes the next in turn, but not one that holds notably more requests than the one after it: a server that
//! hangs keeps what it has and gets no more, long before a probe notices (the idea is bounded load, Mirrokni et al. 2018).
//! Least loaded takes the better of two random ones (Mitzenmacher 2001).
//!
//! A server that could not be reached a moment ago is passed over while there is another.

use std::sync::{Arc, atomic::Ordering};

use super::table::{Policy, Service, Target};

/// More requests in flight than twice the other's and these are notable; fewer come about by chance.
const SLACK: usize = 2;

/// Turns within which another server is looked for.
const NEARBY: usize = 8;

/// What a pick needs to know besides the service.
pub(super) struct Wish {
    /// The position in the schedule where to look first.
    pub(super) turn: usize,
    pub(super) random: u64,
    /// The clock's milliseconds.
    pub(super) now: u64,
    /// The key of a server that just failed this request.
    pub(super) except: Option<u64>,
}

impl Service {
    /// Enters a server and returns it with the next turn, or `None` when none can take the request.
    pub(super) fn pick(&self, wish: &Wish) -> Option<(Arc<Target>, usize)> {
        let preferred = match self.policy {
            Policy::RoundRobin => self.in_turn(wish),
            Policy::LeastLoaded => self.better_of_two(wish),
        };
        preferred
            .filter(|(target, _)| target.state.may_try(wish.now) && target.enter())
            .or_else(|| self.any(wish, false))
            .or_else(|| self.any(wish, true))
            .map(|(target, turn)| (Arc::clone(target), turn))
    }

    /// Whether there is a server besides the one with `key` that is not known to be out of reach.
    pub(super) fn has_other(&self, key: u64, now: u64) -> bool {
        self.targets
            .iter()
            .any(|target| target.state.key != key && !target.state.is_avoided(now))
    }

    fn at(&self, position: usize) -> Option<&Arc<Target>> {
        let slot = *self.schedule.get(position % self.schedule.len().max(1))?;
        self.targets.get(slot as usize)
    }

    fn in_turn(&self, wish: &Wish) -> Option<(&Arc<Target>, usize)> {
        let target = self.at(wish.turn).filter(|target| target.is_usable(wish))?;
        let next = self
            .at(wish.turn + 1)
            .filter(|next| next.is_usable(wish) && next.load() * 2 + SLACK < target.load());
        match next {
            Some(next) => Some((next, wish.turn + 2)),
            None => Some((target, wish.turn + 1)),
        }
    }

    fn better_of_two(&self, wish: &Wish) -> Option<(&Arc<Target>, usize)> {
        let first = (wish.random >> 32) as usize;
        let others = self.schedule.len().saturating_sub(1).max(1);
        let second = first + 1 + (wish.random & 0xffff_ffff) as usize % others;
        let one = self.at(first).filter(|target| target.is_usable(wish));
        let other = self.other_than(one, second).filter(|target| target.is_usable(wish));
        let better = match (one, other) {
            (Some(one), Some(other)) if other.is_lighter_than(one) => other,
            (Some(one), _) => one,
            (None, other) => other?,
        };
        Some((better, wish.turn))
    }

    /// The target at `position`, or one of the next few: who has many turns is not to be compared with itself.
    fn other_than(&self, one: Option<&Arc<Target>>, position: usize) -> Option<&Arc<Target>> {
        let is_other = |target: &&Arc<Target>| one.is_none_or(|one| !Arc::ptr_eq(one, target));
        let mut next = (position..position + NEARBY).filter_map(|position| self.at(position));
        next.find(is_other).or_else(|| self.at(position))
    }

    /// The first from `turn` on that can be entered; those lately out of reach only where `all` says so.
    fn any(&self, wish: &Wish, all: bool) -> Option<(&Arc<Target>, usize)> {
        (wish.turn..wish.turn + self.schedule.len())
            .filter_map(|position| Some((self.at(position)?, position + 1)))
            .find(|(target, _)| {
                wish.except != Some(target.state.key) && (all || target.state.may_try(wish.now)) && target.enter()
            })
    }
}

impl Target {
    fn load(&self) -> usize {
        self.state.in_flight.load(Ordering::Relaxed)
    }

    fn enter(&self) -> bool {
        self.state.enter(self.capacity)
    }

    fn is_usable(&self, wish: &Wish) -> bool {
        wish.except != Some(self.state.key)
            && (self.capacity == 0 || self.load() < self.capacity)
            && !self.state.is_avoided(wish.now)
    }

    /// Whether it has less to do, for its weight, than `other`.
    fn is_lighter_than(&self, other: &Self) -> bool {
        self.load() * (other.weight as usize) < other.load() * (self.weight as usize)
    }
}
