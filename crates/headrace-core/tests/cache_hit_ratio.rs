//! How often the store has what is asked for, beside plain LRU and `quick_cache` with room for as many entries.
//!
//! `cargo test -p headrace-core --test cache_hit_ratio -- --nocapture` prints the table.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use headrace_core::cache::{Lifetime, New, Options, Store};

/// What an entry costs: its key of eight bytes and the store's overhead.
const COST: u64 = 8 + 256;
const REQUESTS: usize = 400_000;
const KEYS: usize = 100_000;

trait Cache {
    /// Whether it was there; it is afterwards.
    fn ask(&mut self, key: u64) -> bool;
}

struct Ours(std::sync::Arc<Store>);

impl Cache for Ours {
    fn ask(&mut self, key: u64) -> bool {
        let key = key.to_le_bytes();
        if self.0.get(&key).is_some() {
            return true;
        }
        let life = Lifetime {
            fresh: Duration::from_secs(3600),
            stale: Duration::ZERO,
        };
        self.0.set(New {
            key: &key,
            value: b"",
            meta: b"",
            life,
            tags: &[],
            ..New::default()
        });
        false
    }
}

#[derive(Default)]
struct Lru {
    room: usize,
    turn: u64,
    turns: HashMap<u64, u64>,
    order: BTreeMap<u64, u64>,
}

impl Cache for Lru {
    fn ask(&mut self, key: u64) -> bool {
        self.turn += 1;
        let before = self.turns.insert(key, self.turn);
        self.order.insert(self.turn, key);
        if let Some(turn) = before {
            self.order.remove(&turn);
        } else if self.turns.len() > self.room {
            let (_, oldest) = self.order.pop_first().unwrap();
            self.turns.remove(&oldest);
        }
        before.is_some()
    }
}

struct Quick(quick_cache::unsync::Cache<u64, ()>);

impl Cache for Quick {
    fn ask(&mut self, key: u64) -> bool {
        let found = self.0.get(&key).is_some();
        if !found {
            self.0.insert(key, ());
        }
        found
    }
}

/// A generator whose numbers are the same on every machine (xorshift64*).
struct Random(u64);

impl Random {
    /// From 0 up to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Keys by Zipf's law with this exponent.
fn zipf(exponent: f64) -> Vec<u64> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=KEYS)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    let mut random = Random(7);
    let mut key = || {
        let drawn = random.next() * sum;
        sums.partition_point(|upto| *upto < drawn) as u64
    };
    (0..REQUESTS).map(|_| key()).collect()
}

/// The same, and after every 10,000 requests a scan over 5,000 keys that never come again.
fn scanned(trace: &[u64]) -> Vec<u64> {
    let scan = |number: u64| (0..5_000).map(move |key| (1 << 40) + number * 5_000 + key);
    let parts = trace.chunks(10_000).zip(0..);
    parts
        .flat_map(|(part, number)| part.iter().copied().chain(scan(number)))
        .collect()
}

fn ratio(mut cache: impl Cache, trace: &[u64]) -> f64 {
    let hits = trace.iter().filter(|key| cache.ask(**key)).count();
    hits as f64 / trace.len() as f64
}

#[test]
fn the_store_finds_more_than_lru_does() {
    println!(
        "{:<22} {:>7} {:>7} {:>7} {:>11}",
        "trace", "room", "store", "LRU", "quick_cache"
    );
    for exponent in [0.8, 1.0] {
        let plain = zipf(exponent);
        let polluted = scanned(&plain);
        for (name, trace) in [("Zipf", &plain), ("Zipf with scans", &polluted)] {
            for room in [1_000, 10_000] {
                let max_bytes = COST * room as u64;
                let ours = ratio(
                    Ours(Store::new(Options {
                        max_bytes,
                        ..Options::default()
                    })),
                    trace,
                );
                let lru = ratio(Lru { room, ..Lru::default() }, trace);
                let quick = ratio(Quick(quick_cache::unsync::Cache::new(room)), trace);
                let [ours_, lru_, quick_] = [ours, lru, quick].map(|ratio| format!("{:.1} %", 100.0 * ratio));
                println!(
                    "{:<22} {room:>7} {ours_:>7} {lru_:>7} {quick_:>11}",
                    format!("{name} {exponent:.1}")
                );
                assert!(ours >= lru, "{name} {exponent}, room for {room}: {ours} against {lru}");
            }
        }
    }
}
