use std::fs;

use super::{super::*, *};

#[test]
fn another_versions_file_is_named_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"1"]);
    drop(journal);
    let path = folder.path().join("00000000000000000001.journal");
    let mut bytes = fs::read(&path).unwrap();
    for copy in bytes[..1024].chunks_mut(512) {
        copy[8] = 9;
        copy[12..16].fill(0);
        let crc = crc32c::crc32c(copy);
        copy[12..16].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(&path, &bytes).unwrap();
    fs::write(folder.path().join("other.new"), b"").unwrap();
    let error = open_with(folder.path(), options()).err().unwrap().to_string();
    assert!(error.contains("00001.journal was written in format 9"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert!(folder.path().join("other.new").exists());
}

#[test]
fn a_damaged_record_is_set_aside_and_the_rest_keeps_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    for text in [b"aaaa", b"bbbb", b"cccc", b"dddd"] {
        append(&journal, 0, &[text]);
    }
    drop(journal);
    let path = folder.path().join("00000000000000000001.journal");
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(4).position(|four| four == b"bbbb").unwrap();
    bytes[place] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (journal, report) = open(folder.path());
    assert_eq!((report.damaged.len(), report.damaged[0].holes, report.torn), (1, 1, 0));
    assert_eq!(fs::read(&report.damaged[0].copy).unwrap(), bytes);
    let numbers: Vec<u64> = everything(&journal, Query::default())
        .iter()
        .map(|payload| payload.0)
        .collect();
    assert_eq!(numbers, [1, 3, 4]);
    assert_eq!(append(&journal, 0, &[b"e"]).first, 5);
}

#[test]
fn a_torn_last_write_is_cut_and_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"safe"]);
    append(&journal, 0, &[b"torn"]);
    let folder = killed(folder.path());
    let path = folder.path().join("00000000000000000001.journal");
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(4).position(|four| four == b"torn").unwrap();
    bytes[place] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (journal, report) = open(folder.path());
    assert!(report.damaged.is_empty() && report.torn > 0, "{report:?}");
    assert!(
        append(&journal, 0, &[b"after"]).first > 2,
        "its number is not given again"
    );
    assert_eq!(everything(&journal, Query::default()).last().unwrap().2, b"after");
}

/// What reading gives, of each payload its number.
fn numbers(journal: &Journal) -> Vec<u64> {
    everything(journal, Query::default())
        .iter()
        .map(|payload| payload.0)
        .collect()
}

fn segment(folder: &Path, first: u64) -> std::path::PathBuf {
    folder.join(format!("{first:020}.journal"))
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn place(bytes: &[u8], of: &[u8]) -> usize {
    bytes.windows(of.len()).position(|window| window == of).unwrap()
}

/// Two segments: 1 to 5, and 6 on.
fn two_segments(folder: &Path) {
    let (journal, _) = open(folder);
    for _ in 1..=6 {
        append(&journal, 0, &[&[b'x'; 3000]]);
    }
    assert_eq!(journal.status().segments, 2);
}

#[test]
fn another_versions_notes_are_named_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"1"]);
    let range = Range {
        stream: 0,
        first: 1,
        last: 1,
    };
    journal.seal(range, b"").unwrap();
    drop(journal);
    change(&folder.path().join("landing.notes"), |bytes| {
        for copy in bytes[..1024].chunks_mut(512) {
            copy[8] = 9;
            copy[12..16].fill(0);
            let crc = crc32c::crc32c(copy);
            copy[12..16].copy_from_slice(&crc.to_le_bytes());
        }
    });
    fs::write(folder.path().join("other.new"), b"").unwrap();
    let error = open_with(folder.path(), options()).err().unwrap().to_string();
    assert!(error.contains("landing.notes was written in format 9"), "{error}");
    assert!(folder.path().join("other.new").exists());
}

#[test]
fn a_change_in_the_last_write_is_damage_once_the_journal_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"1"]);
    append(&journal, 0, &[b"last"]);
    drop(journal);
    change(&segment(folder.path(), 1), |bytes| {
        let place = place(bytes, b"last");
        bytes[place] ^= 1;
    });
    let (journal, report) = open(folder.path());
    assert_eq!((report.damaged.len(), report.torn, numbers(&journal)), (1, 0, vec![1]));
    assert_eq!(append(&journal, 0, &[b"3"]).first, 3);
}

#[test]
fn numbers_of_all_that_was_cut_are_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let many: Vec<&[u8]> = vec![b""; 100];
    let appended = journal.append_and_wait(&[collection(&[b"torn"]), collection(&many)]);
    assert_eq!(appended, Ok(Ok(Appended { first: 1, last: 101 })));
    let folder = killed(folder.path());
    change(&segment(folder.path(), 1), |bytes| {
        let place = place(bytes, b"torn");
        bytes[place] ^= 1;
    });
    let (journal, report) = open(folder.path());
    assert!(report.records == 0 && report.torn > 400, "{report:?}");
    assert!(append(&journal, 0, &[b"after"]).first > 101);
}

#[test]
fn numbers_of_a_segment_that_was_set_aside_are_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let last = append(&journal, 0, &[b"1", b"2", b"3"]).last;
    let folder = killed(folder.path());
    change(&segment(folder.path(), 1), |bytes| bytes[..1024].fill(0));
    let (journal, report) = open(folder.path());
    assert_eq!((report.segments, report.damaged.len()), (0, 1));
    drop(journal);
    let (journal, report) = open(folder.path());
    assert_eq!((report.segments, report.damaged.len()), (0, 0));
    assert!(append(&journal, 0, &[b"after"]).first > last);
}

#[test]
fn what_is_cut_off_a_segment_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    two_segments(folder.path());
    change(&segment(folder.path(), 1), |bytes| bytes.truncate(8000));
    let (journal, report) = open(folder.path());
    assert_eq!(numbers(&journal), [1, 2, 6]);
    assert!(
        report.damaged.len() == 1 && report.damaged[0].bytes > 3 * 3000,
        "{report:?}"
    );
}

#[test]
fn a_record_whose_padding_is_missing_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"1"]);
    let folder = killed(folder.path());
    change(&segment(folder.path(), 1), |bytes| bytes.truncate(1024 + 48 - 2));
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"2"]);
    drop(journal);
    let (journal, report) = open(folder.path());
    assert_eq!((numbers(&journal), report.damaged), (vec![1, 2], vec![]));
}

#[test]
fn a_seal_whose_segment_is_gone_has_landed_even_if_the_note_of_it_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    two_segments(folder.path());
    let (journal, _) = open(folder.path());
    let range = Range {
        stream: 0,
        first: 4,
        last: 6,
    };
    for range in [
        Range {
            first: 1,
            last: 3,
            ..range
        },
        range,
    ] {
        let seal = journal.seal(range, b"").unwrap();
        journal.landed(seal.id).unwrap();
    }
    wait_until(|| journal.status().segments == 1);
    drop(journal);
    change(&folder.path().join("landing.notes"), |bytes| {
        let last = bytes.len() - 20;
        bytes[last] ^= 1;
    });
    let (journal, report) = open(folder.path());
    assert!(report.torn > 0, "{report:?}");
    assert_eq!((journal.sealed(), report.unlanded), (vec![], 0));
}

#[test]
fn a_file_with_an_impossible_number_is_no_segment() {
    let folder = tempfile::tempdir().unwrap();
    for first in [0, u64::MAX, i64::MAX as u64 + 1] {
        fs::write(segment(folder.path(), first), b"?").unwrap();
    }
    let (journal, report) = open(folder.path());
    assert_eq!(report, Recovery::default());
    assert_eq!(append(&journal, 0, &[b"1"]).first, 1);
}

#[test]
fn a_changed_byte_in_the_notes_takes_none_but_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("landing.notes");
    let range = |number| Range {
        stream: 0,
        first: number,
        last: number,
    };
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"1", b"2", b"3", b"4"]);
    let seal = journal.seal(range(1), b"").unwrap();
    journal.landed(seal.id).unwrap();
    drop(journal);
    // It begins with what has not landed, from now on.
    let (journal, _) = open(folder.path());
    let seal = journal.seal(range(2), b"").unwrap();
    journal.seal(range(3), b"standing").unwrap();
    journal.landed(seal.id).unwrap();
    let intact = fs::read(&notes).unwrap().len();
    journal.seal(range(4), b"last").unwrap();
    let sealed = journal.sealed();
    drop(journal);
    let bytes = fs::read(&notes).unwrap();
    for place in 0..intact {
        change(&notes, |bytes| bytes[place] ^= 0x10);
        let (journal, report) = open(folder.path());
        assert_eq!((journal.sealed(), report.unlanded), (sealed.clone(), 2), "byte {place}");
        drop(journal);
        fs::write(&notes, &bytes).unwrap();
    }
}
