//! Thousands of lives of a journal, each with crashes, torn writes, failed calls, full disks, changed bytes, reopened
//! again and again, compared with a model that knows what was promised.
//!
//! `HEADRACE_JOURNAL_SEED=n cargo test -p headrace-core journal` runs one life; `HEADRACE_JOURNAL_SEEDS=n` sets how many.

mod life;
mod promises;

use self::life::Life;

const SEEDS: u64 = 1000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs `live` for every seed; a failing one is named.
fn for_all_seeds(live: fn(u64)) {
    let seeds = match number("HEADRACE_JOURNAL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HEADRACE_JOURNAL_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let lived = std::panic::catch_unwind(|| live(seed));
        assert!(lived.is_ok(), "run it again with HEADRACE_JOURNAL_SEED={seed}");
    }
}

#[test]
fn what_was_acknowledged_outlives_every_crash_once_whole_and_in_order() {
    for_all_seeds(|seed| Life::new(seed).live());
}

#[test]
fn changed_bytes_cost_what_is_reported_and_never_invent_or_shift_anything() {
    for_all_seeds(|seed| Life::new(!seed).with_changed_bytes().live());
}
