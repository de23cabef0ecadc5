use std::{
    fs,
    sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    super::{ahead::Ahead, *},
    *,
};

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
    let retaining = || open_with(folder.path(), Options { retain, ..options() }).unwrap();
    let (journal, _) = retaining();
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
    let (journal, _) = retaining();
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
fn a_file_that_comes_too_late_gives_way() {
    let folder = tempfile::tempdir().unwrap();
    let bound = 64 << 10;
    let narrow = Options {
        max_bytes: bound,
        ..options()
    };
    let disk = Arc::new(RealDisk);
    let (journal, mut writer, _) = Journal::assemble(folder.path(), narrow, disk.clone()).unwrap();
    let ahead = &journal.shared.ahead;
    let prepare = || ahead.prepare(&*disk, folder.path(), |_| true);
    // Nobody makes the file that is wanted until the journal is full.
    while journal.append(&[collection(&[&[b'x'; 3000]])], None).is_ok() {
        writer.round();
    }
    prepare();
    let files = fs::read_dir(folder.path()).unwrap().flatten();
    let used: u64 = files.map(|entry| entry.metadata().unwrap().len()).sum();
    assert!((bound * 3 / 4..=bound + 4096).contains(&used), "{used}");
    writer.finish();
}

#[test]
fn a_file_that_is_being_made_is_given_back_once_its_piece_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let ahead = Ahead::default();
    ahead.want(3 << 20);
    let (begun, pieces) = (Barrier::new(2), AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            ahead.prepare(&RealDisk, folder.path(), |_| {
                if pieces.fetch_add(1, Ordering::Relaxed) == 0 {
                    begun.wait();
                    wait_until(|| !ahead.is_wanted());
                }
                ahead.is_wanted()
            });
        });
        begun.wait();
        assert!(ahead.discard(&RealDisk));
        assert_eq!(ahead.bytes(), 0);
    });
    assert_eq!(pieces.into_inner(), 1);
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn the_next_segments_file_is_prepared_and_gone_when_the_journal_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let prepared = folder.path().join("ahead.new");
    for _ in 0..3 {
        append(&journal, 0, &[&[b'x'; 9000]]);
        wait_until(|| fs::metadata(&prepared).is_ok_and(|file| file.len() == options().segment_bytes));
    }
    assert_eq!(journal.status().segments, 3);
    journal.close();
    assert!(!prepared.exists());
}

#[test]
fn a_segment_that_nothing_was_prepared_for_is_short() {
    let folder = tempfile::tempdir().unwrap();
    let whole = 16 << 20;
    let (journal, _) = open_with(
        folder.path(),
        Options {
            segment_bytes: whole,
            max_bytes: 4 * whole,
            ..options()
        },
    )
    .unwrap();
    let lengths = || {
        let files = fs::read_dir(folder.path()).unwrap().flatten();
        let segments = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "journal"));
        segments.map(|file| file.metadata().unwrap().len()).collect::<Vec<_>>()
    };
    let payload = vec![b'x'; 20 << 10];
    append(&journal, 0, &[&payload]);
    assert_eq!(lengths(), [whole / 8]);
    wait_until(|| {
        append(&journal, 0, &[&payload]);
        lengths().contains(&whole)
    });
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
fn waiting_ends_when_there_is_more() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    assert!(!journal.wait(1, Duration::ZERO));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| journal.wait(1, Duration::MAX));
        append(&journal, 0, &[b"1"]);
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn what_is_flushed_together_shares_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    // Room for all in one segment: each one that is begun has a sync of its own.
    let roomy = Options {
        segment_bytes: 16 << 20,
        max_bytes: 64 << 20,
        ..options()
    };
    let (journal, mut writer, _) = Journal::assemble(folder.path(), roomy, Arc::new(RealDisk)).unwrap();
    for flushed in 1..=20 {
        for _ in 0..50 {
            journal.append(&[collection(&[b"x"])], None).unwrap();
        }
        journal.flush();
        writer.round();
        assert_eq!(journal.status().counts.syncs, flushed);
        assert!(journal.wait(flushed * 50, Duration::ZERO));
    }
    writer.finish();
}

#[test]
fn what_nobody_flushes_is_safe_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    journal.append(&[collection(&[b"x"])], None).unwrap();
    wait_until(|| journal.wait(1, Duration::ZERO));
}

#[test]
fn a_flush_is_kept_unless_a_write_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer, _) = Journal::assemble(folder.path(), options(), Arc::new(RealDisk)).unwrap();
    let hurried = |journal: &Journal| journal.shared.state().hurried;
    journal.flush();
    assert!(!hurried(&journal), "nothing to write");
    let (told, end) = std::sync::mpsc::channel();
    let completion: Completion = Box::new(move |outcome| told.send(outcome).unwrap());
    journal.append(&[collection(&[b"1"])], Some(completion)).unwrap();
    assert!(end.try_recv().is_err(), "acknowledged before it is written");
    journal.flush();
    assert!(hurried(&journal));
    writer.round();
    assert_eq!(end.recv(), Ok(Ok(())));
    assert!(!hurried(&journal));
    journal.shared.state().writing = (1, 8);
    journal.append(&[collection(&[b"2"])], None).unwrap();
    journal.flush();
    assert!(!hurried(&journal), "a sync for few");
    writer.finish();
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
    let range = Range {
        stream: 0,
        first: 1,
        last: 1,
    };
    assert_eq!(
        journal.seal(range, b""),
        Err(Error::Journal("the journal is closed".to_owned()))
    );
    drop(journal);
    assert_eq!(open(folder.path()).1.payloads, 100);
}
