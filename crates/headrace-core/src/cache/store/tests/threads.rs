//! Threads that call at random, judged by what an order of their calls could have given.
//!
//! Each call is noted with when it began and when it had returned, in ticks of one counter. Of calls that did not overlap the
//! order is known; where they did, each order is allowed. Lifetimes are long and the store is roomy, so nothing ends but by a
//! call.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use super::super::{Leased, Lifetime, New, Options, Store, Stored};

const THREADS: u64 = 4;
const CALLS: usize = 2_000;
const KEYS: u64 = 6;
const HOUR: Duration = Duration::from_secs(3600);

/// From when to when a call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    began: u64,
    ended: u64,
}

impl Span {
    fn before(self, other: Self) -> bool {
        self.ended < other.began
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Key(u64),
    Tag(u8),
    /// The keys of one parity.
    Prefix(u64),
}

#[derive(Debug, Clone, Copy)]
enum Call {
    /// It was stored; with a lease, which was granted then.
    Set {
        key: u64,
        value: u64,
        tags: u8,
        lease: Option<Span>,
    },
    Get {
        key: u64,
        found: Option<(u64, bool)>,
    },
    Granted(u64),
    /// A lease was given up, or found lost.
    Ended(u64),
    Invalidate(Which, bool),
}

type Note = (Span, Call);

struct Caller {
    store: Arc<Store>,
    ticks: Arc<AtomicU64>,
    random: u64,
    /// Values are numbers that no other thread gives.
    value: u64,
    notes: Vec<Note>,
}

impl Caller {
    /// By `SplitMix64`.
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn timed<T>(&mut self, call: impl FnOnce(&Store) -> T) -> (Span, T) {
        let began = self.ticks.fetch_add(1, SeqCst);
        let result = call(&self.store);
        let ended = self.ticks.fetch_add(1, SeqCst);
        (Span { began, ended }, result)
    }

    fn call(&mut self) {
        let key = self.below(KEYS);
        match self.below(20) {
            0..=8 => self.get(key),
            9..=12 => self.set(key, None),
            13..=17 => self.compute(key),
            _ => self.invalidate(key),
        }
    }

    fn get(&mut self, key: u64) {
        let (span, hit) = self.timed(|store| store.get(&name(key)));
        let found = hit.map(|hit| {
            let value = hit.value.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
            (value.unwrap_or(u64::MAX), !hit.fresh_for.is_zero())
        });
        self.notes.push((span, Call::Get { key, found }));
    }

    fn set(&mut self, key: u64, lease: Option<(u64, Span)>) {
        self.value += 1;
        let (value, tags) = (self.value, self.below(4) as u8);
        let names = [&b"t0"[..], b"t1"];
        let names: Vec<_> = (0..2)
            .filter(|tag| tags >> tag & 1 == 1)
            .map(|tag| names[tag])
            .collect();
        let (span, stored) = self.timed(|store| {
            store.set(New {
                key: &name(key),
                value: &value.to_le_bytes(),
                life: Lifetime {
                    fresh: HOUR,
                    stale: HOUR,
                },
                tags: &names,
                lease: lease.map(|(id, _)| id),
                ..New::default()
            })
        });
        let lease = lease.map(|(_, granted)| granted);
        let call = match stored {
            Stored::Yes(_) => Call::Set {
                key,
                value,
                tags,
                lease,
            },
            _ => Call::Ended(key),
        };
        self.notes.push((span, call));
    }

    fn compute(&mut self, key: u64) {
        let (granted, leased) = self.timed(|store| store.lease(&name(key), HOUR));
        let Leased::Granted { lease, .. } = leased else {
            return;
        };
        self.notes.push((granted, Call::Granted(key)));
        if self.below(2) == 0 {
            thread::yield_now();
        }
        match self.below(4) {
            0 => {
                let (span, ()) = self.timed(|store| store.give_up(&name(key), lease));
                self.notes.push((span, Call::Ended(key)));
            }
            _ => self.set(key, Some((lease, granted))),
        }
    }

    fn invalidate(&mut self, key: u64) {
        let soft = self.below(3) > 0;
        let which = match self.below(4) {
            0 | 1 => Which::Key(key),
            2 => Which::Tag((key % 2) as u8),
            _ => Which::Prefix(key % 2),
        };
        let (span, ()) = self.timed(|store| match which {
            Which::Key(key) => _ = store.remove(&name(key), soft),
            Which::Tag(tag) => _ = store.invalidate_tag(&[b't', b'0' + tag], soft),
            Which::Prefix(parity) => _ = store.invalidate_prefix(&name(parity)[..1], soft),
        });
        self.notes.push((span, Call::Invalidate(which, soft)));
    }
}

fn name(key: u64) -> [u8; 2] {
    [b'a' + (key % 2) as u8, b'0' + key as u8]
}

/// All that happened, to be asked what could have.
struct History(Vec<Note>);

impl History {
    fn invalidations(&self) -> impl Iterator<Item = (Span, Which, bool)> {
        self.0.iter().filter_map(|(span, call)| match *call {
            Call::Invalidate(which, soft) => Some((*span, which, soft)),
            _ => None,
        })
    }

    /// The values that were stored under a key: when, which, with which tags, and since when they could be lost.
    fn stored(&self, wanted: u64) -> impl Iterator<Item = (Span, u64, u8, Span)> {
        self.0.iter().filter_map(move |(span, call)| match *call {
            Call::Set {
                key,
                value,
                tags,
                lease,
            } if key == wanted => Some((*span, value, tags, lease.unwrap_or(*span))),
            _ => None,
        })
    }

    fn judge(&self) {
        for (span, call) in &self.0 {
            match *call {
                Call::Get {
                    key,
                    found: Some(found),
                } => self.judge_hit(*span, key, found),
                Call::Get { key, found: None } => self.judge_miss(*span, key),
                Call::Granted(key) => self.judge_grant(*span, key),
                _ => {}
            }
        }
    }

    fn judge_hit(&self, get: Span, key: u64, (found, fresh): (u64, bool)) {
        let set = self.stored(key).find(|(_, value, ..)| *value == found);
        let Some((set, _, tags, since)) = set else {
            panic!("{found} was never stored under {key}");
        };
        assert!(!get.before(set), "{found} was found before it was stored");
        let newer = self
            .stored(key)
            .find(|(other, ..)| set.before(*other) && other.before(get));
        assert_eq!(newer, None, "{found} was found after another one was stored");
        let mut may_be_stale = false;
        for (span, which, soft) in self.invalidations().filter(|(_, which, _)| hits(*which, key, tags)) {
            let surely = since.before(span) && span.before(get);
            assert!(
                !surely || (soft && !fresh),
                "{found} was found after {which:?} ended it: {span:?} {get:?}"
            );
            may_be_stale |= soft && !span.before(set) && !get.before(span);
        }
        assert!(fresh || may_be_stale, "{found} was stale for no reason");
    }

    /// Something must have ended a value, and none be surely stored after that.
    fn judge_miss(&self, get: Span, key: u64) {
        if !self.stored(key).any(|(set, ..)| set.before(get)) {
            return;
        }
        let ended = self.invalidations().any(|(span, which, soft)| {
            let hit = |(set, _, tags, _): (Span, u64, u8, Span)| hits(which, key, tags) && !span.before(set);
            let possible = !soft && !get.before(span) && self.stored(key).any(hit);
            possible && !self.stored(key).any(|(set, ..)| span.before(set) && set.before(get))
        });
        assert!(ended, "{key} was missing for no reason: {get:?}");
    }

    /// Between two grants of one key's lease the first one ends.
    fn judge_grant(&self, first: Span, wanted: u64) {
        let grants = self.0.iter().filter(|(span, call)| match call {
            Call::Granted(key) => *key == wanted && first.before(*span),
            _ => false,
        });
        let Some(next) = grants.map(|(span, _)| *span).min_by_key(|span| span.began) else {
            return;
        };
        let ended = self.0.iter().any(|(span, call)| {
            let ends = match *call {
                Call::Set { key, .. } | Call::Ended(key) => key == wanted,
                Call::Invalidate(Which::Tag(_), _) | Call::Get { .. } | Call::Granted(_) => false,
                Call::Invalidate(which, _) => hits(which, wanted, 0),
            };
            ends && !span.before(first) && !next.before(*span)
        });
        assert!(ended, "two held the lease of {wanted}: {first:?} {next:?}");
    }
}

fn hits(which: Which, key: u64, tags: u8) -> bool {
    match which {
        Which::Key(other) => other == key,
        Which::Tag(tag) => tags >> tag & 1 == 1,
        Which::Prefix(parity) => key % 2 == parity,
    }
}

fn history(seed: u64, shards: usize) -> History {
    let store = Store::new(Options {
        max_bytes: 16 << 20,
        shards,
        ..Options::default()
    });
    let ticks = Arc::new(AtomicU64::new(0));
    let start = Arc::new(Barrier::new(THREADS as usize));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let start = Arc::clone(&start);
            let mut caller = Caller {
                store: Arc::clone(&store),
                ticks: Arc::clone(&ticks),
                random: seed * THREADS + number,
                value: number << 32,
                notes: Vec::new(),
            };
            thread::spawn(move || {
                start.wait();
                (0..CALLS).for_each(|_| caller.call());
                caller.notes
            })
        })
        .collect();
    let notes = threads.into_iter().flat_map(|thread| thread.join().unwrap());
    History(notes.collect())
}

#[test]
fn threads_see_what_an_order_of_their_calls_could_give() {
    for (seed, shards) in [(1, 1), (2, 2), (3, 4)] {
        history(seed, shards).judge();
    }
}
