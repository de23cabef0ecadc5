use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;

use super::super::{Clock, Lifetime, New, Options, Store};
use crate::error::Error;

const SECOND: Duration = Duration::from_secs(1);

fn store() -> Store {
    let options = Options {
        max_bytes: 1 << 20,
        shards: 2,
        clock: Clock::by_hand(),
        ..Options::default()
    };
    Store::alone(options)
}

fn set(store: &Store, key: &str, fresh: Duration, tags: &[&[u8]]) {
    let life = Lifetime {
        fresh,
        stale: 60 * SECOND,
    };
    store.set(New {
        key: key.as_bytes(),
        value: key.as_bytes(),
        meta: b"meta",
        life,
        tags,
        ..New::default()
    });
}

fn saved(path: &Path) -> Store {
    let store = store();
    set(&store, "plain", 600 * SECOND, &[]);
    set(&store, "tagged", 600 * SECOND, &[b"a", b"b"]);
    set(&store, "soft", 600 * SECOND, &[]);
    set(&store, "gone", 600 * SECOND, &[b"gone"]);
    set(&store, "short", Duration::ZERO, &[]);
    store.invalidate_tag(b"gone", false);
    store.remove(b"soft", true);
    assert_eq!(store.save(path).unwrap(), 4);
    store
}

#[test]
fn what_was_saved_is_found_again_with_its_times_tags_and_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let before = saved(&path);
    let after = store();
    assert_eq!(after.load(&path).unwrap(), 4);
    let (old, new) = (before.get(b"tagged").unwrap(), after.get(b"tagged").unwrap());
    assert_eq!(
        (&new.value, &new.meta, new.version),
        (&old.value, &old.meta, old.version)
    );
    // Time went on by the wall clock, while the stores' clocks stood still.
    assert_eq!(new.age + new.fresh_for, 600 * SECOND);
    assert!(!new.age.is_zero());
    assert_eq!(new.stale_for, 60 * SECOND);
    assert!(after.get(b"soft").unwrap().fresh_for.is_zero());
    assert_eq!(after.get(b"gone"), None);
    assert_eq!(after.invalidate_tag(b"b", false), 1);
    assert_eq!(after.get(b"tagged"), None);
}

#[test]
fn a_file_is_loaded_once_and_none_is_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    assert_eq!(store().load(&path).unwrap(), 0);
    saved(&path);
    assert_eq!(store().load(&path).unwrap(), 4);
    assert_eq!(store().load(&path).unwrap(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_newer_value_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    saved(&path);
    let store = store();
    set(&store, "plain", SECOND, &[]);
    let version = store.get(b"plain").unwrap().version;
    assert_eq!(store.load(&path).unwrap(), 3);
    assert_eq!(store.get(b"plain").unwrap().version, version);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    assert!(store().save(&folder.path().join("missing/cache")).is_err());
    let path = folder.path().join("cache");
    saved(&path);
    fs::create_dir(folder.path().join("cache.new")).unwrap();
    assert!(store().save(&path).is_err());
    assert_eq!(store().load(&path).unwrap(), 4);
}

/// Loads a file with this content: it must be refused, set aside whole, and nothing of it be taken.
fn refused(content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    fs::write(&path, content).unwrap();
    let store = store();
    let Err(Error::Cache(message)) = store.load(&path) else {
        panic!("it was loaded")
    };
    assert!(message.contains("cache.damaged"), "{message}");
    assert_eq!(fs::read(folder.path().join("cache.damaged")).unwrap(), content);
    assert!(!path.exists());
    assert_eq!(store.stats().entries, 0);
    message
}

#[test]
fn files_of_others_are_set_aside_and_named() {
    assert!(refused(&[b'x'; 1000]).contains("not saved by this cache"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    saved(&path);
    let mut content = fs::read(&path).unwrap();
    content[8] = 2;
    assert!(refused(&content).contains("format version 2"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_file_with_any_byte_changed_is_set_aside(place in any::<prop::sample::Index>(), change in 1..=255u8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        saved(&path);
        let mut content = fs::read(&path).unwrap();
        let place = place.index(content.len());
        content[place] ^= change;
        refused(&content);
    }

    #[test]
    fn a_file_of_another_length_is_set_aside(length in 0..600usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        saved(&path);
        let mut content = fs::read(&path).unwrap();
        prop_assume!(length != content.len());
        content.resize(length, 0);
        refused(&content);
    }
}
