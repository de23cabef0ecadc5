//! What a call of the cache's store takes: `cargo run --release --example cache_speed [CALLS]` prints nanoseconds on one and two threads.
//!
//! With `valgrind --tool=callgrind` and two numbers of calls, the difference is instructions.
#![allow(clippy::unwrap_used)]

use std::{
    thread,
    time::{Duration, Instant},
};

use headrace_core::cache::{Lifetime, New, Options, Store};

const KEYS: usize = 10_000;

fn new<'a>(key: &'a str, value: &'a [u8]) -> New<'a> {
    let life = Lifetime {
        fresh: Duration::from_secs(3600),
        stale: Duration::ZERO,
    };
    New {
        key: key.as_bytes(),
        value,
        meta: b"",
        life,
        tags: &[],
        ..New::default()
    }
}

/// Nanoseconds a call, when each of `threads` makes `calls` of them.
fn measure(threads: usize, calls: usize, call: impl Fn(usize) + Sync) -> f64 {
    let begin = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            let call = &call;
            scope.spawn(move || (0..calls).for_each(|number| call((number * 7 + thread * 31) % KEYS)));
        }
    });
    begin.elapsed().as_nanos() as f64 / calls as f64
}

fn main() {
    let calls = std::env::args()
        .nth(1)
        .map_or(1_000_000, |calls| calls.parse().unwrap());
    let store = Store::new(Options::default());
    let keys: Vec<String> = (0..KEYS).map(|number| format!("posts/{number:06}/page")).collect();
    let value = [7; 1024];
    for key in &keys {
        store.set(new(key, &value));
    }
    let get = |key: usize| assert!(store.get(keys[key].as_bytes()).is_some());
    // One thread and nothing else, for callgrind.
    if std::env::args().nth(2).is_some() {
        (0..calls).for_each(|number| get(number % KEYS));
        return;
    }
    for threads in [1, 2] {
        let get = measure(threads, calls, get);
        let set = measure(threads, calls, |key| _ = store.set(new(&keys[key], &value)));
        println!("{threads} threads: {get:.0} ns a get, {set:.0} ns a set of 1 KiB");
    }
}
