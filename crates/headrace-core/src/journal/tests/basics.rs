use std::{fs, sync::Arc, time::Duration};

use super::super::{disk::RealDisk, *};

fn options() -> Options {
    Options {
        segment_bytes: 16 << 10,
        max_bytes: 1 << 20,
        reserve_bytes: 0,
        ..Options::default()
    }
}

fn open(folder: &Path) -> (Journal, Recovery) {
    open_with(folder, options()).unwrap()
}

fn open_with(folder: &Path, options: Options) -> Result<(Journal, Recovery), Error> {
    Journal::open(folder, options, Arc::new(RealDisk))
}

fn collection<'a>(payloads: &'a [&'a [u8]]) -> Record<'a> {
    Record {
        stream: 0,
        key: None,
        payloads,
    }
}

fn append(journal: &Journal, stream: u16, payloads: &[&[u8]]) -> Appended {
    let record = Record {
        stream,
        ..collection(payloads)
    };
    journal.append_and_wait(&[record]).unwrap().unwrap()
}

/// Number, stream and bytes of all there is to read.
fn everything(journal: &Journal, query: Query) -> Vec<(u64, u16, Vec<u8>)> {
    let mut reader = journal.reader(1);
    let mut all = Vec::new();
    loop {
        let slices = reader.read(&query).unwrap();
        if slices.is_empty() {
            return all;
        }
        for slice in slices {
            all.extend(
                slice
                    .payloads()
                    .map(|payload| (payload.number, slice.stream, payload.bytes.to_vec())),
            );
        }
    }
}

#[test]
fn what_was_appended_is_read_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, report) = open(folder.path());
    assert_eq!(report, Recovery::default());
    assert_eq!(append(&journal, 0, &[b"one", b"two"]), Appended { first: 1, last: 2 });
    assert_eq!(append(&journal, 0, &[b"three"]), Appended { first: 3, last: 3 });
    let before = everything(&journal, Query::default());
    drop(journal);
    let (journal, report) = open(folder.path());
    assert_eq!((report.records, report.payloads, report.torn), (2, 3, 0));
    assert_eq!(everything(&journal, Query::default()), before);
    assert_eq!(before.last().unwrap(), &(3, 0, b"three".to_vec()));
    assert_eq!(append(&journal, 0, &[b"four"]).first, 4);
}

#[test]
fn segments_follow_one_another_and_readers_follow_them() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let payload = vec![b'x'; 3000];
    let mut reader = journal.reader(1);
    for number in 1..=40 {
        append(&journal, 0, &[&payload]);
        let slices = reader.read(&Query::default()).unwrap();
        assert_eq!(slices.iter().map(Slice::last).collect::<Vec<_>>(), [number]);
    }
    assert!(journal.status().segments > 5);
    assert_eq!(everything(&journal, Query::default()).len(), 40);
}

#[test]
fn a_read_is_bounded_in_payloads_and_bytes_and_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"1", b"2", b"3", b"4", b"5"]);
    let mut reader = journal.reader(2);
    let two = Query {
        max_payloads: 2,
        ..Query::default()
    };
    let lines: Vec<_> = (0..3)
        .map(|_| reader.read(&two).unwrap().pop().map(|slice| slice.lines))
        .collect();
    assert_eq!(lines, [Some(b"2\n3\n".to_vec()), Some(b"4\n5\n".to_vec()), None]);
    let short = Query {
        max_bytes: 1,
        ..Query::default()
    };
    assert_eq!(journal.reader(4).read(&short).unwrap()[0].count(), 1);
    let until = Query {
        last: 3,
        ..Query::default()
    };
    assert_eq!(journal.reader(1).read(&until).unwrap()[0].last(), 3);
}

#[test]
fn sealed_and_landed_payloads_are_not_open_and_a_restart_remembers_both() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"1", b"2", b"3", b"4", b"5", b"6"]);
    let seal = |first, last| journal.seal(Range { stream: 0, first, last }, b"to/there").unwrap();
    let (one, two) = (seal(1, 2), seal(4, 5));
    assert_eq!((one.count, two.count), (2, 2));
    assert!(
        journal
            .seal(
                Range {
                    stream: 0,
                    first: 2,
                    last: 3
                },
                b""
            )
            .is_err()
    );
    assert!(
        journal
            .seal(
                Range {
                    stream: 1,
                    first: 3,
                    last: 3
                },
                b""
            )
            .is_err()
    );
    assert_eq!(journal.landed(one.id), Ok(2));
    assert!(journal.landed(one.id).is_err());
    let open_numbers = |journal: &Journal| -> Vec<u64> {
        let query = Query {
            open: true,
            ..Query::default()
        };
        everything(journal, query).iter().map(|payload| payload.0).collect()
    };
    assert_eq!(open_numbers(&journal), [3, 6]);
    assert_eq!(journal.status().unlanded, 4);
    drop(journal);
    let (journal, report) = open(folder.path());
    assert_eq!((report.unlanded, report.sealed), (4, 1));
    assert_eq!(journal.sealed(), [two]);
    assert_eq!(open_numbers(&journal), [3, 6]);
}

#[test]
fn a_slice_has_all_of_its_stream_between_its_first_and_last_number() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, 0, &[b"1", b"2", b"3"]);
    append(&journal, 1, &[b"4"]);
    append(&journal, 0, &[b"5"]);
    journal
        .seal(
            Range {
                stream: 0,
                first: 2,
                last: 2,
            },
            b"",
        )
        .unwrap();
    let query = Query {
        open: true,
        ..Query::default()
    };
    let slices = journal.reader(1).read(&query).unwrap();
    let shape: Vec<_> = slices
        .iter()
        .map(|slice| (slice.stream, slice.first(), slice.last(), slice.count()))
        .collect();
    assert_eq!(shape, [(0, 1, 1, 1), (0, 3, 5, 2), (1, 4, 4, 1)]);
}

#[test]
fn segments_that_landed_are_removed_but_never_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    for _ in 0..40 {
        append(&journal, 0, &[&[b'x'; 3000]]);
    }
    let seal = journal
        .seal(
            Range {
                stream: 0,
                first: 1,
                last: 40,
            },
            b"",
        )
        .unwrap();
    journal.landed(seal.id).unwrap();
    wait_until(|| journal.status().segments == 1);
    drop(journal);
    let (journal, report) = open(folder.path());
    assert_eq!(report.unlanded, 0);
    assert_eq!(append(&journal, 0, &[b"next"]).first, 41);
}

#[test]
fn what_landed_is_kept_while_its_keys_may_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let retain = Duration::from_secs(3600);
    let (journal, _) = open_with(folder.path(), Options { retain, ..options() }).unwrap();
    let key = Key {
        key: [1; 16],
        body: [2; 16],
    };
    let keyed = Record {
        key: Some(key),
        ..collection(&[b"a", b"b"])
    };
    journal.append_and_wait(&[keyed]).unwrap().unwrap();
    for _ in 0..10 {
        append(&journal, 0, &[&[b'x'; 3000]]);
    }
    let seal = journal
        .seal(
            Range {
                stream: 0,
                first: 1,
                last: 12,
            },
            b"",
        )
        .unwrap();
    journal.landed(seal.id).unwrap();
    drop(journal);
    let (journal, _) = open(folder.path());
    let mut keys = Vec::new();
    journal
        .reader(1)
        .keys(|keyed| keys.push((keyed.key, keyed.first, keyed.last)))
        .unwrap();
    assert_eq!(keys, [(key, 1, 2)]);
}

#[test]
fn a_full_journal_refuses_and_goes_on_when_something_landed() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open_with(
        folder.path(),
        Options {
            max_payloads: 3,
            ..options()
        },
    )
    .unwrap();
    append(&journal, 0, &[b"1", b"2", b"3"]);
    assert_eq!(journal.append(&[collection(&[b"4"])], None), Err(Refused::Full));
    let seal = journal
        .seal(
            Range {
                stream: 0,
                first: 1,
                last: 1,
            },
            b"",
        )
        .unwrap();
    journal.landed(seal.id).unwrap();
    assert_eq!(append(&journal, 0, &[b"4"]).first, 4);
    assert_eq!(journal.status().counts.refused_full, 1);
}

#[test]
fn the_bytes_on_disk_stay_below_their_bound() {
    let folder = tempfile::tempdir().unwrap();
    let bound = 64 << 10;
    let (journal, _) = open_with(
        folder.path(),
        Options {
            max_bytes: bound,
            ..options()
        },
    )
    .unwrap();
    let payload = [b'x'; 3000];
    while journal.append_and_wait(&[collection(&[&payload])]).is_ok() {}
    let files = fs::read_dir(folder.path()).unwrap().flatten();
    let used: u64 = files.map(|entry| entry.metadata().unwrap().len()).sum();
    assert!((bound * 3 / 4..=bound + 4096).contains(&used), "{used}");
}

#[test]
fn a_second_opening_is_refused_with_the_holders_process() {
    let folder = tempfile::tempdir().unwrap();
    let (_journal, _) = open(folder.path());
    let error = open_with(folder.path(), options()).err().unwrap().to_string();
    assert!(
        error.contains(&format!("in use by process {}", std::process::id())),
        "{error}"
    );
}

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
    drop(journal);
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

#[test]
fn waiting_ends_when_there_is_more() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    assert!(!journal.wait(1, Duration::ZERO));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| journal.wait(1, Duration::from_secs(30)));
        append(&journal, 0, &[b"1"]);
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn a_closed_journal_refuses_and_has_written_all() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    for _ in 0..100 {
        journal.append(&[collection(&[b"x"])], None).unwrap();
    }
    journal.close();
    assert_eq!(journal.append(&[collection(&[b"y"])], None), Err(Refused::Stopped));
    drop(journal);
    assert_eq!(open(folder.path()).1.payloads, 100);
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it never held");
        std::thread::sleep(Duration::from_millis(5));
    }
}
