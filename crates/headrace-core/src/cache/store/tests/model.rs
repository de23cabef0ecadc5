//! The store beside a map that does the same without any art.

use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;

use super::super::{Clock, Leased, Lifetime, New, Options, Store, Stored};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
enum Act {
    Set {
        key: u8,
        fresh: u8,
        stale: u8,
        tags: u8,
        size: usize,
        leased: bool,
    },
    Get(u8),
    Lease(u8),
    GiveUp(u8),
    Remove(u8, bool),
    Tag(u8, bool),
    Prefix(u8, bool),
    Advance(u8),
    Tidy,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let set = (0..9u8, 0..8u8, 0..8u8, 0..8u8, 0..3_000usize, any::<bool>());
    let act = prop_oneof![
        6 => set.prop_map(|(key, fresh, stale, tags, size, leased)| Act::Set { key, fresh, stale, tags, size, leased }),
        6 => (0..9u8).prop_map(Act::Get),
        2 => (0..9u8).prop_map(Act::Lease),
        1 => (0..9u8).prop_map(Act::GiveUp),
        1 => (0..9u8, any::<bool>()).prop_map(|(key, soft)| Act::Remove(key, soft)),
        2 => (0..3u8, any::<bool>()).prop_map(|(tag, soft)| Act::Tag(tag, soft)),
        1 => (0..4u8, any::<bool>()).prop_map(|(prefix, soft)| Act::Prefix(prefix, soft)),
        3 => (0..5u8).prop_map(Act::Advance),
        1 => Just(Act::Tidy),
    ];
    prop::collection::vec(act, 1..150)
}

/// Three groups of three keys, so that a prefix hits some.
fn name(key: u8) -> String {
    format!("{}:{}", key / 3, key % 3)
}

fn prefix(number: u8) -> String {
    if number < 3 {
        format!("{number}:")
    } else {
        String::new()
    }
}

fn tags(bits: u8) -> Vec<Vec<u8>> {
    (0..3u8)
        .filter(|bit| bits >> bit & 1 == 1)
        .map(|bit| vec![b't', bit])
        .collect()
}

#[derive(Default)]
struct Model {
    now: Duration,
    values: HashMap<u8, Value>,
    leases: HashMap<u8, Lease>,
}

#[derive(Debug)]
struct Value {
    bytes: Vec<u8>,
    fresh_until: Duration,
    end: Duration,
    tags: u8,
}

struct Lease {
    id: u64,
    until: Duration,
    /// Tags that were invalidated since it was taken.
    lost: u8,
}

impl Model {
    fn expire(&mut self) {
        self.values.retain(|_, value| self.now < value.end);
        self.leases.retain(|_, lease| self.now < lease.until);
    }

    /// How many live values `hit` says are invalidated.
    fn invalidate(&mut self, soft: bool, hit: impl Fn(u8, &Value) -> bool) -> u64 {
        self.expire();
        let now = self.now;
        let mut count = 0;
        self.values.retain(|key, value| {
            if !hit(*key, value) {
                return true;
            }
            count += 1;
            if soft && now < value.fresh_until {
                value.end = now + value.end.saturating_sub(value.fresh_until);
                value.fresh_until = now;
            }
            soft
        });
        count
    }
}

struct Both {
    store: Store,
    clock: Clock,
    model: Model,
    number: u32,
    /// Nothing is ever evicted, so what the model has is found.
    roomy: bool,
}

impl Both {
    fn new(max_bytes: u64, shards: usize) -> Self {
        let clock = Clock::by_hand();
        let options = Options {
            max_bytes,
            max_value: 0,
            shards,
            clock: clock.clone(),
        };
        Self {
            store: Store::alone(options),
            clock,
            model: Model::default(),
            number: 0,
            roomy: max_bytes > 1 << 20,
        }
    }

    fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.model.now += by;
        self.model.expire();
    }

    fn act(&mut self, act: &Act) {
        self.model.expire();
        match *act {
            Act::Set {
                key,
                fresh,
                stale,
                tags,
                size,
                leased,
            } => self.set(key, (fresh, stale), tags, size, leased),
            Act::Get(key) => self.get(key),
            Act::Lease(key) => self.lease(key),
            Act::GiveUp(key) => {
                if let Some(lease) = self.model.leases.remove(&key) {
                    self.store.give_up(name(key).as_bytes(), lease.id);
                }
            }
            Act::Remove(key, soft) => {
                self.model.leases.remove(&key);
                let count = self.model.invalidate(soft, |other, _| other == key);
                self.compare(count, u64::from(self.store.remove(name(key).as_bytes(), soft)));
            }
            Act::Tag(tag, soft) => self.tag(tag, soft),
            Act::Prefix(number, soft) => {
                let prefix = prefix(number);
                self.model.leases.retain(|key, _| !name(*key).starts_with(&prefix));
                let count = self.model.invalidate(soft, |key, _| name(key).starts_with(&prefix));
                self.compare(count, self.store.invalidate_prefix(prefix.as_bytes(), soft));
            }
            Act::Advance(seconds) => self.advance(u32::from(seconds) * SECOND),
            Act::Tidy => _ = self.store.tidy(),
        }
        let stats = self.store.stats();
        assert!(stats.bytes <= stats.max_bytes, "{stats:?}");
    }

    fn set(&mut self, key: u8, (fresh, stale): (u8, u8), bits: u8, size: usize, leased: bool) {
        self.number += 1;
        let mut bytes = self.number.to_le_bytes().to_vec();
        bytes.resize(4 + size, 0);
        let lease = leased.then(|| self.model.leases.get(&key)).flatten();
        let lost = lease.is_some_and(|lease| lease.lost & bits != 0);
        // Tags share places by their hash.
        let touched = lease.is_some_and(|lease| lease.lost != 0);
        let tags = tags(bits);
        let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
        let key_name = name(key);
        let new = New {
            key: key_name.as_bytes(),
            value: &bytes,
            meta: b"",
            life: Lifetime {
                fresh: u32::from(fresh) * SECOND,
                stale: u32::from(stale) * SECOND,
            },
            tags: &tags,
            lease: lease.map(|lease| lease.id),
            ..New::default()
        };
        let stored = self.store.set(new);
        self.model.leases.remove(&key);
        match stored {
            Stored::LeaseLost => return assert!(touched, "a lease was lost for no reason"),
            Stored::TooLarge => {
                assert!(!self.roomy);
                self.model.values.remove(&key);
                return;
            }
            Stored::Yes(_) => assert!(!lost, "what was computed before an invalidation was stored"),
        }
        let fresh_until = self.model.now + u32::from(fresh) * SECOND;
        let end = fresh_until + u32::from(stale) * SECOND;
        self.model.values.insert(
            key,
            Value {
                bytes,
                fresh_until,
                end,
                tags: bits,
            },
        );
    }

    fn get(&mut self, key: u8) {
        let found = self.store.get(name(key).as_bytes());
        let expected = self.model.values.get(&key);
        let Some(hit) = found else {
            return assert!(!self.roomy || expected.is_none(), "{expected:?} is missing");
        };
        let Some(value) = expected else {
            panic!("{hit:?} is over or invalid")
        };
        let now = self.model.now;
        assert_eq!(hit.value, value.bytes);
        assert_eq!(hit.fresh_for, value.fresh_until.saturating_sub(now));
        assert_eq!(hit.fresh_for + hit.stale_for, value.end.saturating_sub(now));
    }

    fn lease(&mut self, key: u8) {
        let fresh = self
            .model
            .values
            .get(&key)
            .is_some_and(|value| self.model.now < value.fresh_until);
        match self.store.lease(name(key).as_bytes(), 3 * SECOND) {
            Leased::Hit(_) => assert!(fresh),
            Leased::Held { .. } => assert!(self.model.leases.contains_key(&key)),
            Leased::Granted { lease: id, .. } => {
                assert!(!(self.roomy && fresh));
                let until = self.model.now + 3 * SECOND;
                let before = self.model.leases.insert(key, Lease { id, until, lost: 0 });
                assert!(before.is_none(), "two hold the lease of one key");
            }
        }
    }

    fn tag(&mut self, tag: u8, soft: bool) {
        // What is over for less than a tick of the wheel may still be counted.
        self.advance(Duration::from_millis(40));
        self.store.tidy();
        for lease in self.model.leases.values_mut() {
            lease.lost |= 1 << tag;
        }
        let count = self.model.invalidate(soft, |_, value| value.tags >> tag & 1 == 1);
        self.compare(count, self.store.invalidate_tag(&[b't', tag], soft));
    }

    fn compare(&self, expected: u64, count: u64) {
        match self.roomy {
            true => assert_eq!(count, expected),
            false => assert!(count <= expected, "{count} were invalidated of {expected}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_map_would(acts in acts(), shards in 1..4usize) {
        let mut both = Both::new(64 << 20, shards);
        for act in &acts {
            both.act(act);
        }
        both.advance(60 * SECOND);
        both.store.tidy();
        let stats = both.store.stats();
        prop_assert_eq!((stats.entries, stats.bytes), (0, 0));
    }

    #[test]
    fn where_room_is_short_nothing_old_is_seen_and_the_bound_holds(acts in acts()) {
        let mut both = Both::new(8_000, 1);
        for act in &acts {
            both.act(act);
        }
    }
}
