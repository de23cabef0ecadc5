use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::*;
use crate::{
    journal::{self, Record, disk::RealDisk},
    logs::Entry,
};

const SECOND: i64 = 1_000_000_000;

struct Rig {
    folder: tempfile::TempDir,
    journal: Arc<Journal>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = open_journal(folder.path());
        Self { folder, journal }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log/log.txt")
    }

    fn open(&self) -> LogFile {
        self.open_with(Options {
            window: Duration::from_millis(300),
            ..Options::default()
        })
    }

    fn open_with(&self, options: Options) -> LogFile {
        let checkpoint = self.folder.path().join("journal/order.checkpoint");
        LogFile::open(
            Arc::clone(&self.journal),
            &self.path(),
            &checkpoint,
            options,
            Arc::new(RealDisk),
        )
        .unwrap()
    }

    fn log(&self, time: i64, message: &str) {
        let mut bytes = Vec::new();
        let entry = Entry {
            time,
            level: "INFO",
            source: "test",
            message,
            ..Entry::default()
        };
        entry.encode(&mut bytes);
        let record = Record {
            stream: 0,
            key: None,
            payloads: &[&bytes],
        };
        self.journal.append_and_wait(&[record]).unwrap().unwrap();
    }

    fn messages(&self) -> Vec<String> {
        messages(&self.path())
    }
}

fn open_journal(folder: &Path) -> Arc<Journal> {
    let options = journal::Options {
        reserve_bytes: 0,
        ..journal::Options::default()
    };
    let (journal, _) = Journal::open(&folder.join("journal"), options, Arc::new(RealDisk)).unwrap();
    Arc::new(journal)
}

fn messages(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let message = |line: &str| line.rsplit(';').next().unwrap().to_owned();
    text.lines().map(message).collect()
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_nanos() as i64
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "it never held");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn entries_are_in_the_file_in_order_of_their_time_when_it_is_closed() {
    let rig = Rig::new();
    let file = rig.open();
    // Ahead, so that a slow disk makes none of them late.
    let now = now() + 3 * SECOND;
    for (offset, message) in [(20, "c"), (0, "a"), (30, "d"), (10, "b")] {
        rig.log(now + offset, message);
    }
    file.close(LONG);
    assert_eq!(rig.messages(), ["a", "b", "c", "d"]);
    let status = file.status();
    assert_eq!(
        (
            status.fault.as_str(),
            status.counts.lines,
            status.counts.late,
            status.waiting
        ),
        ("", 4, 0, 0)
    );
    assert_eq!(status.length, fs::metadata(rig.path()).unwrap().len());
    assert_eq!(status.counts.bytes, status.length);
}

#[test]
fn a_late_entry_is_written_at_once_and_named_in_the_side_file() {
    let rig = Rig::new();
    let file = rig.open();
    rig.log(now(), "a");
    wait_until(|| file.status().counts.lines == 1);
    rig.log(now() - 60 * SECOND, "late");
    file.close(LONG);
    assert_eq!(rig.messages(), ["a", "late"]);
    let main = fs::read_to_string(rig.path()).unwrap();
    let side = fs::read_to_string(rig.folder.path().join("log/log.txt.late")).unwrap();
    let (offset, line) = side.split_once(';').unwrap();
    assert_eq!(&main[offset.parse().unwrap()..], line);
    assert_eq!(file.status().counts.late, 1);
}

#[test]
fn what_waits_when_the_file_is_closed_finds_its_place_when_it_is_opened_again() {
    let rig = Rig::new();
    let file = rig.open();
    let now = now();
    rig.log(now + 4 * SECOND, "b");
    file.close(Duration::ZERO);
    assert_eq!(rig.messages(), [""; 0]);
    rig.log(now + 3 * SECOND, "a");
    rig.open().close(LONG);
    assert_eq!(rig.messages(), ["a", "b"]);
    rig.open().close(LONG);
    assert_eq!(rig.messages(), ["a", "b"]);
}

#[test]
fn what_a_crash_left_behind_the_checkpoint_is_cut_off() {
    let rig = Rig::new();
    let file = rig.open();
    rig.log(now(), "a");
    file.close(LONG);
    let mut bytes = fs::read(rig.path()).unwrap();
    bytes.extend_from_slice(b"2026-11-23 15:40:00;INFO;half a li");
    fs::write(rig.path(), bytes).unwrap();
    rig.log(now(), "b");
    rig.open().close(LONG);
    assert_eq!(rig.messages(), ["a", "b"]);
}

#[test]
fn a_file_from_before_is_gone_on_with() {
    let rig = Rig::new();
    fs::create_dir(rig.folder.path().join("log")).unwrap();
    fs::write(rig.path(), "from before").unwrap();
    rig.log(now(), "a");
    rig.open().close(LONG);
    assert_eq!(rig.messages(), ["from before", "a"]);
}

#[test]
fn a_file_or_folder_that_is_removed_is_made_again_and_nothing_is_lost() {
    let rig = Rig::new();
    let file = rig.open();
    rig.log(now(), "a");
    wait_until(|| file.status().counts.lines == 1);
    fs::remove_dir_all(rig.folder.path().join("log")).unwrap();
    rig.log(now(), "b");
    file.close(LONG);
    assert_eq!(rig.messages(), ["b"]);
    assert_eq!(file.status().fault, "");
    assert!(file.status().counts.failures >= 1);
}

#[test]
fn a_file_that_is_moved_away_keeps_what_it_had() {
    let rig = Rig::new();
    let file = rig.open();
    rig.log(now(), "a");
    wait_until(|| file.status().counts.lines == 1);
    let moved = rig.folder.path().join("moved");
    fs::rename(rig.path(), &moved).unwrap();
    rig.log(now(), "b");
    file.close(LONG);
    assert_eq!(
        (messages(&moved), rig.messages()),
        (vec!["a".to_owned()], vec!["b".to_owned()])
    );
}

#[test]
fn a_file_that_cannot_be_opened_is_told_and_tried_again() {
    let rig = Rig::new();
    fs::write(rig.folder.path().join("log"), "in the way").unwrap();
    let file = rig.open();
    rig.log(now(), "a");
    wait_until(|| !file.status().fault.is_empty());
    assert!(file.status().fault.contains("log"), "{}", file.status().fault);
    fs::remove_file(rig.folder.path().join("log")).unwrap();
    file.close(LONG);
    assert_eq!(rig.messages(), ["a"]);
}

#[test]
fn a_full_file_gets_a_name_by_its_first_entry_and_a_new_one_begins() {
    let rig = Rig::new();
    let file = rig.open_with(Options {
        window: Duration::from_millis(100),
        rotate_bytes: 1,
        ..Options::default()
    });
    for message in ["a", "b"] {
        let before = file.status().counts.lines;
        rig.log(now(), message);
        wait_until(|| file.status().counts.lines > before);
    }
    file.close(LONG);
    assert_eq!(rig.messages(), [""; 0]);
    let mut names: Vec<_> = fs::read_dir(rig.folder.path().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let found: Vec<Vec<String>> = names.iter().map(|path| messages(path)).collect();
    assert_eq!(found, [vec!["a".to_owned()], vec!["b".to_owned()], vec![]]);
    assert_eq!(file.status().counts.rotations, 2);
}

#[test]
fn a_file_ends_with_the_day_of_its_entries() {
    let rig = Rig::new();
    let now = now();
    let since_midnight = now.rem_euclid(86_400 * SECOND);
    let file = rig.open_with(Options {
        // What leaves now is of last night.
        window: Duration::from_nanos(since_midnight as u64) + Duration::from_secs(4),
        ..Options::default()
    });
    for (time, message) in [(SECOND, "b"), (-SECOND, "a")] {
        rig.log(now - since_midnight + time, message);
    }
    file.close(LONG);
    assert_eq!(rig.messages(), ["b"]);
    assert_eq!(file.status().counts.rotations, 1);
}

#[test]
fn the_journal_gives_up_what_is_in_the_file() {
    let rig = Rig::new();
    let file = rig.open();
    for _ in 0..100 {
        rig.log(now(), "a");
    }
    file.close(LONG);
    assert_eq!(rig.journal.status().unlanded, 0);
}

#[test]
fn a_checkpoint_of_another_version_is_refused() {
    let rig = Rig::new();
    rig.open().close(LONG);
    let path = rig.folder.path().join("journal/order.checkpoint");
    let mut bytes = fs::read(&path).unwrap();
    for slot in bytes.chunks_mut(512) {
        slot[8] = 9;
        slot[12..16].fill(0);
        let crc = crc32c::crc32c(slot);
        slot[12..16].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(&path, bytes).unwrap();
    let opened = LogFile::open(
        Arc::clone(&rig.journal),
        &rig.path(),
        &path,
        Options::default(),
        Arc::new(RealDisk),
    );
    assert!(opened.err().unwrap().to_string().contains("version 9"));
}

#[test]
fn a_checkpoint_of_another_journal_skips_nothing() {
    let rig = Rig::new();
    for _ in 0..10 {
        rig.log(now(), "a");
    }
    rig.open().close(LONG);
    let Rig { folder, journal } = rig;
    journal.close();
    let keep = fs::read(folder.path().join("journal/order.checkpoint")).unwrap();
    fs::remove_dir_all(folder.path().join("journal")).unwrap();
    let rig = Rig {
        journal: open_journal(folder.path()),
        folder,
    };
    fs::write(rig.folder.path().join("journal/order.checkpoint"), keep).unwrap();
    rig.log(now(), "b");
    rig.open().close(LONG);
    assert_eq!(rig.messages().len(), 11);
}
