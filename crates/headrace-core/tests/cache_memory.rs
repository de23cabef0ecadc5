//! The bound on bytes under random sets, as the store counts it and as the system does. `HEADRACE_CACHE_SETS=10000000` sets more.
#![allow(clippy::unwrap_used)]

use std::{collections::hash_map::RandomState, hash::BuildHasher, time::Duration};

use headrace_core::cache::{Lifetime, New, Options, Store};

const MAX_BYTES: u64 = 64 << 20;

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn random_sets_stay_within_the_bound_in_memory_too() {
    let sets = std::env::var("HEADRACE_CACHE_SETS").map_or(300_000, |sets| sets.parse().unwrap());
    let store = Store::new(Options {
        max_bytes: MAX_BYTES,
        ..Options::default()
    });
    let before = resident();
    let random = RandomState::new();
    let bytes = vec![7; 4096];
    let mut peak = 0;
    for number in 0..sets {
        let dice = random.hash_one(number);
        let key = format!("key:{}", dice % 1_000_000);
        let tag = format!("tag:{}", dice % 10_007);
        // A third of the keys has long lifetimes and is overwritten again and again.
        let fresh = Duration::from_millis(if dice % 3 == 0 { 1_000_000_000 } else { dice % 1000 });
        let value = &bytes[..(dice >> 32) as usize % 4096];
        let life = Lifetime {
            fresh,
            stale: Duration::ZERO,
        };
        store.set(New {
            key: key.as_bytes(),
            value,
            meta: b"",
            life,
            tags: &[tag.as_bytes()],
            ..New::default()
        });
        if number % 10_000 == 0 {
            assert!(store.stats().bytes <= MAX_BYTES);
            peak = peak.max(resident() - before.min(resident()));
        }
    }
    let stats = store.stats();
    println!(
        "{sets} sets: {} entries, {} bytes counted, {peak} resident at most",
        stats.entries, stats.bytes
    );
    assert!(
        peak <= MAX_BYTES + MAX_BYTES / 4,
        "{peak} bytes resident for {MAX_BYTES}"
    );
}
