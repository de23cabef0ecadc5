use std::{sync::Arc, thread, time::Duration};

use bytes::Bytes;

use super::super::{Clock, Leased, Lifetime, Lost, New, Options, Store, Stored, What};

const SECOND: Duration = Duration::from_secs(1);

fn store() -> (Arc<Store>, Clock) {
    let clock = Clock::by_hand();
    let options = Options {
        max_bytes: 1 << 20,
        shards: 2,
        clock: clock.clone(),
        ..Options::default()
    };
    (Store::new(options), clock)
}

fn new<'a>(key: &'a str, value: &'a str) -> New<'a> {
    New {
        key: key.as_bytes(),
        value: value.as_bytes(),
        meta: b"",
        life: Lifetime {
            fresh: 10 * SECOND,
            stale: 5 * SECOND,
        },
        tags: &[],
        ..New::default()
    }
}

fn value(store: &Store, key: &str) -> Option<Bytes> {
    store.get(key.as_bytes()).map(|hit| hit.value)
}

fn granted(leased: &Leased) -> u64 {
    match leased {
        Leased::Granted { lease, .. } => *lease,
        other => panic!("no lease but {other:?}"),
    }
}

#[test]
fn what_is_set_is_found_with_its_ages() {
    let (store, clock) = store();
    let Stored::Yes(version) = store.set(New {
        meta: b"text/plain",
        ..new("a", "1")
    }) else {
        panic!()
    };
    clock.advance(3 * SECOND);
    let hit = store.get(b"a").unwrap();
    assert_eq!(
        (&*hit.value, &*hit.meta, hit.version),
        (&b"1"[..], &b"text/plain"[..], version)
    );
    assert_eq!(
        (hit.age, hit.fresh_for, hit.stale_for),
        (3 * SECOND, 7 * SECOND, 5 * SECOND)
    );
    assert_eq!(store.get(b"b"), None);
}

#[test]
fn it_is_fresh_then_stale_then_gone_to_the_nanosecond() {
    let (store, clock) = store();
    store.set(new("a", "1"));
    clock.advance(Duration::from_nanos(9_999_999_999));
    assert!(!store.get(b"a").unwrap().fresh_for.is_zero());
    clock.advance(Duration::from_nanos(1));
    let stale = store.get(b"a").unwrap();
    assert_eq!((stale.fresh_for, stale.stale_for), (Duration::ZERO, 5 * SECOND));
    clock.advance(5 * SECOND);
    assert_eq!(store.get(b"a"), None);
    let stats = store.stats();
    assert_eq!((stats.hits, stats.stale_hits, stats.misses), (1, 1, 1));
}

#[test]
fn what_is_stored_over_a_version_needs_it_fresh() {
    let (store, clock) = store();
    let over = |version| {
        store.set(New {
            over: Some(version),
            ..new("a", "2")
        })
    };
    let set = || match store.set(new("a", "1")) {
        Stored::Yes(version) => version,
        other => panic!("{other:?}"),
    };
    let first = set();
    assert!(matches!(over(first), Stored::Yes(_)));
    assert_eq!(over(first), Stored::LeaseLost);
    let second = set();
    store.remove(b"a", true);
    assert_eq!(over(second), Stored::LeaseLost);
    let third = set();
    clock.advance(10 * SECOND);
    assert_eq!(over(third), Stored::LeaseLost);
    store.remove(b"a", false);
    assert_eq!((over(third), value(&store, "a")), (Stored::LeaseLost, None));
}

#[test]
fn what_only_tells_of_others_is_invalidated_and_not_counted() {
    let (store, _) = store();
    let tell = |key| {
        store.set(New {
            tags: &[b"posts"],
            uncounted: true,
            ..new(key, "")
        })
    };
    store.set(New {
        tags: &[b"posts"],
        ..new("a:1", "1")
    });
    for soft in [true, false] {
        tell("a");
        assert_eq!(store.invalidate_tag(b"posts", soft), 1);
        assert_eq!(store.get(b"a").is_some(), soft);
    }
    store.set(new("a:1", "1"));
    tell("a");
    assert_eq!(store.invalidate_prefix(b"a", false), 1);
    assert_eq!((value(&store, "a"), value(&store, "a:1")), (None, None));
}

#[test]
fn a_tag_takes_its_entries_with_it_and_no_others() {
    let (store, _) = store();
    store.set(New {
        tags: &[b"posts", b"a"],
        ..new("a", "1")
    });
    store.set(New {
        tags: &[b"posts"],
        ..new("b", "2")
    });
    store.set(new("c", "3"));
    assert_eq!(store.invalidate_tag(b"posts", false), 2);
    assert_eq!((value(&store, "a"), value(&store, "b")), (None, None));
    assert_eq!(value(&store, "c").as_deref(), Some(&b"3"[..]));
    assert_eq!(store.invalidate_tag(b"posts", false), 0);
    assert_eq!(store.invalidate_tag(b"a", false), 0);
    store.set(New {
        tags: &[b"posts"],
        ..new("a", "4")
    });
    assert_eq!(value(&store, "a").as_deref(), Some(&b"4"[..]));
}

#[test]
fn a_prefix_takes_what_begins_with_it() {
    let (store, _) = store();
    for key in ["post:1", "post:2", "list"] {
        store.set(new(key, "x"));
    }
    assert_eq!(store.invalidate_prefix(b"post:", false), 2);
    assert_eq!(store.stats().entries, 1);
    assert_eq!(store.invalidate_prefix(b"", false), 1);
    assert_eq!(store.stats().bytes, 0);
}

#[test]
fn a_soft_invalidation_ends_the_fresh_time_and_begins_the_stale_one() {
    let (store, clock) = store();
    for key in ["key", "tag", "prefix"] {
        store.set(New {
            tags: &[key.as_bytes()],
            ..new(key, "x")
        });
    }
    clock.advance(SECOND);
    assert!(store.remove(b"key", true));
    assert_eq!(store.invalidate_tag(b"tag", true), 1);
    assert_eq!(store.invalidate_prefix(b"pre", true), 1);
    clock.advance(SECOND);
    for key in ["key", "tag", "prefix"] {
        let hit = store.get(key.as_bytes()).unwrap();
        assert_eq!((hit.fresh_for, hit.stale_for), (Duration::ZERO, 4 * SECOND), "{key}");
    }
    clock.advance(4 * SECOND);
    for key in ["key", "tag", "prefix"] {
        assert_eq!(value(&store, key), None, "{key}");
    }
}

#[test]
fn a_tag_softened_twice_counts_from_the_first_time() {
    let (store, clock) = store();
    store.set(New {
        tags: &[b"t"],
        ..new("a", "1")
    });
    assert_eq!(store.invalidate_tag(b"t", true), 1);
    clock.advance(3 * SECOND);
    store.set(New {
        tags: &[b"t"],
        ..new("b", "2")
    });
    assert_eq!(store.invalidate_tag(b"t", true), 2);
    clock.advance(3 * SECOND);
    assert_eq!(value(&store, "a"), None);
    assert_eq!(store.get(b"b").unwrap().stale_for, 2 * SECOND);
}

#[test]
fn one_gets_the_lease_and_the_others_wait_for_it() {
    let (store, _) = store();
    let lease = granted(&store.lease(b"a", SECOND));
    assert_eq!(store.lease(b"a", SECOND), Leased::Held { stale: None });
    let waiting = store.wait(b"a");
    let other = thread::spawn(move || waiting.block(60 * SECOND));
    assert!(matches!(
        store.set(New {
            lease: Some(lease),
            ..new("a", "1")
        }),
        Stored::Yes(_)
    ));
    assert!(other.join().unwrap());
    assert!(matches!(store.lease(b"a", SECOND), Leased::Hit(_)));
    assert!(store.wait(b"a").block(Duration::ZERO));
}

#[test]
fn a_lease_that_is_given_up_or_runs_out_goes_to_the_next() {
    let (store, clock) = store();
    let first = granted(&store.lease(b"a", SECOND));
    let waiting = store.wait(b"a");
    assert_eq!(store.lease_left(b"a"), SECOND);
    assert_eq!(store.lease_left(b"b"), Duration::ZERO);
    store.give_up(b"a", first + 1);
    assert!(matches!(store.lease(b"a", SECOND), Leased::Held { .. }));
    store.give_up(b"a", first);
    assert!(waiting.block(Duration::ZERO));
    let second = granted(&store.lease(b"a", SECOND));
    let waiting = store.wait(b"a");
    clock.advance(SECOND / 4);
    assert_eq!(store.lease_left(b"a"), SECOND * 3 / 4);
    clock.advance(SECOND * 3 / 4);
    assert_eq!(store.lease_left(b"a"), Duration::ZERO);
    let third = granted(&store.lease(b"a", SECOND));
    assert!(waiting.block(Duration::ZERO));
    assert_eq!(
        store.set(New {
            lease: Some(second),
            ..new("a", "2")
        }),
        Stored::LeaseLost
    );
    assert!(matches!(
        store.set(New {
            lease: Some(third),
            ..new("a", "3")
        }),
        Stored::Yes(_)
    ));
}

#[test]
fn a_stale_value_is_given_along_with_the_lease() {
    let (store, clock) = store();
    store.set(new("a", "1"));
    clock.advance(10 * SECOND);
    assert!(matches!(
        store.lease(b"a", SECOND),
        Leased::Granted { stale: Some(_), .. }
    ));
    assert!(matches!(store.lease(b"a", SECOND), Leased::Held { stale: Some(_) }));
}

#[test]
fn what_was_computed_before_an_invalidation_is_not_stored_after_it() {
    let invalidations: [fn(&Store); 7] = [
        |store| _ = store.remove(b"post:1", false),
        |store| _ = store.remove(b"post:1", true),
        |store| _ = store.invalidate_tag(b"posts", false),
        |store| _ = store.invalidate_tag(b"posts", true),
        |store| _ = store.invalidate_prefix(b"post:", false),
        |store| _ = store.invalidate_prefix(b"", true),
        |store| _ = store.set(new("post:1", "newer")),
    ];
    for (number, invalidate) in invalidations.iter().enumerate() {
        let (store, _) = store();
        let lease = granted(&store.lease(b"post:1", SECOND));
        invalidate(&store);
        let late = New {
            lease: Some(lease),
            tags: &[b"posts"],
            ..new("post:1", "old")
        };
        assert_eq!(store.set(late), Stored::LeaseLost, "{number}");
        assert_ne!(value(&store, "post:1").as_deref(), Some(&b"old"[..]), "{number}");
    }
}

#[test]
fn a_value_that_is_too_large_is_refused_and_takes_the_old_one_with_it() {
    let options = Options {
        max_bytes: 1 << 20,
        max_value: 4,
        shards: 1,
        clock: Clock::by_hand(),
    };
    let store = Store::new(options);
    assert!(matches!(store.set(new("a", "1234")), Stored::Yes(_)));
    assert_eq!(store.set(new("a", "12345")), Stored::TooLarge);
    assert_eq!(value(&store, "a"), None);
    assert_eq!(store.stats().refused, 1);
}

#[test]
fn bytes_stay_within_the_bound() {
    let (store, _) = store();
    let large = vec![0; 10_000];
    for number in 0..1_000 {
        let key = format!("key {number}");
        let tag = format!("tag {number}");
        store.set(New {
            value: &large,
            tags: &[tag.as_bytes()],
            ..new(&key, "")
        });
        let stats = store.stats();
        assert!(stats.bytes <= stats.max_bytes);
    }
    let stats = store.stats();
    assert!(stats.bytes > stats.max_bytes - 2 * 11_000);
    assert_eq!(stats.entries + stats.evictions, 1_000);
}

#[test]
fn versions_are_never_given_twice() {
    let (store, _) = store();
    let mut versions = std::collections::HashSet::new();
    for number in 0..100 {
        let key = (number % 7).to_string();
        let Stored::Yes(version) = store.set(new(&key, "x")) else {
            panic!()
        };
        assert!(versions.insert(version));
    }
}

#[test]
fn a_follower_sees_what_copies_may_be_older_than() {
    let (store, _) = store();
    store.set(new("a", "before"));
    let mut follower = store.follow();
    store.set(new("b", "first"));
    store.set(new("a", "replaced"));
    store.remove(b"b", true);
    store.invalidate_tag(b"t", false);
    store.invalidate_prefix(b"p", true);
    assert!(follower.wait(Duration::ZERO));
    let changes = follower.take(100).unwrap();
    let seen: Vec<_> = changes
        .iter()
        .map(|change| (change.what, &*change.name, change.soft))
        .collect();
    let wanted = [
        (What::Key, &b"a"[..], false),
        (What::Key, b"b", true),
        (What::Tag, b"t", false),
        (What::Prefix, b"p", true),
    ];
    assert_eq!(seen, wanted);
    assert!(!follower.wait(Duration::from_millis(1)));
}

#[test]
fn a_follower_goes_on_where_it_was_or_is_told_that_it_cannot() {
    let (store, _) = store();
    let follower = store.follow();
    let next = follower.next();
    drop(follower);
    store.remove(b"a", false);
    assert_eq!(store.follow_from(next).take(100).unwrap().len(), 1);
    assert_eq!(store.follow_from(next + 2).take(100), Err(Lost));
    assert_eq!(store.follow_from(next - 1).take(100), Err(Lost));
    for _ in 0..20_000 {
        store.remove(b"a", false);
    }
    let mut slow = store.follow_from(next);
    assert_eq!(slow.take(100), Err(Lost));
    assert_eq!(slow.take(100), Ok(vec![]));
}

#[test]
fn memory_of_the_expired_and_the_invalid_comes_back_by_itself() {
    let (store, clock) = store();
    for number in 0..100 {
        let key = number.to_string();
        let tags: &[&[u8]] = if number < 50 { &[b"t"] } else { &[] };
        store.set(New { tags, ..new(&key, "x") });
    }
    store.invalidate_tag(b"t", false);
    eventually(|| store.stats().entries == 50);
    clock.advance(16 * SECOND);
    eventually(|| store.stats().bytes == 0);
    assert_eq!(store.stats().expirations, 50);
}

#[test]
fn the_janitor_ends_with_the_store() {
    let (store, _) = store();
    store.set(new("a", "1"));
    let weak = Arc::downgrade(&store);
    drop(store);
    eventually(|| weak.strong_count() == 0);
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed() < 30 * SECOND, "it never came to hold");
        thread::sleep(Duration::from_millis(5));
    }
}
