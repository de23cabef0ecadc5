//! One fault at a time, at every moment at which it may come.

use super::{super::*, simulated::SimulatedDisk, *};

const FOLDER: &str = "/journal";
/// More calls of the disk than any one thing takes.
const CALLS: u64 = 16;

struct Opened {
    journal: Journal,
    writer: Writer,
}

impl Opened {
    fn on(disk: &SimulatedDisk) -> Self {
        Self::with(disk, options())
    }

    fn with(disk: &SimulatedDisk, options: Options) -> Self {
        let (journal, writer, report) = Journal::assemble(Path::new(FOLDER), options, Arc::new(disk.clone())).unwrap();
        assert_eq!(report.damaged, []);
        Self { journal, writer }
    }

    /// Whether it became safe.
    fn append(&mut self, payload: &[u8]) -> bool {
        let (sender, receiver) = std::sync::mpsc::channel();
        let completion: Completion = Box::new(move |outcome| sender.send(outcome).unwrap());
        let appended = self.journal.append(&[collection(&[payload])], Some(completion));
        self.writer.round();
        appended.is_ok() && receiver.recv() == Ok(Ok(()))
    }

    /// Does what the thread would that prepares files.
    fn look_ahead(&self) {
        let shared = &self.journal.shared;
        shared.ahead.prepare(&*shared.disk, &shared.folder, |_| true);
    }

    fn seal(&self, first: u64, last: u64) -> Result<Seal, Error> {
        let range = Range { stream: 0, first, last };
        self.journal.seal(range, b"")
    }

    fn payloads(&self) -> Vec<Vec<u8>> {
        let all = everything(&self.journal, Query::default());
        all.into_iter().map(|(.., bytes)| bytes).collect()
    }
}

#[test]
fn a_note_that_was_seen_stays_though_it_was_never_synced() {
    for seed in 0..20 {
        let disk = SimulatedDisk::new(seed);
        let mut opened = Opened::on(&disk);
        assert!(opened.append(b"1") && opened.append(b"2"));
        opened.seal(1, 1).unwrap();
        disk.die_after(1);
        assert!(opened.seal(2, 2).is_err(), "it was written, and no more");
        disk.kill();
        let seen = Opened::on(&disk).journal.sealed();
        disk.lose_power();
        assert_eq!((seen.len(), Opened::on(&disk).journal.sealed()), (2, seen));
    }
}

#[test]
fn a_segment_that_was_seen_keeps_its_name_though_that_was_never_synced() {
    for calls in 0..CALLS {
        let disk = SimulatedDisk::new(calls);
        disk.die_after(6 + calls);
        let opened = Journal::assemble(Path::new(FOLDER), options(), Arc::new(disk.clone()));
        if let Ok((journal, writer, _)) = opened {
            Opened { journal, writer }.append(b"1");
        }
        disk.kill();
        let seen = (Opened::on(&disk).payloads(), disk.segments());
        disk.lose_power();
        assert_eq!((Opened::on(&disk).payloads(), disk.segments()), seen);
    }
}

#[test]
fn a_segment_that_may_have_a_successor_gets_nothing_more() {
    for (calls, seed) in (0..CALLS).flat_map(|calls| (0..10).map(move |seed| (calls, seed))) {
        let disk = SimulatedDisk::new(seed);
        let mut opened = Opened::on(&disk);
        assert!(opened.append(&[b'x'; 9000]));
        disk.fail_change_after(calls);
        let second = opened.append(&[b'y'; 9000]);
        assert!(
            opened.append(b"small") || opened.append(b"small"),
            "there is room again"
        );
        disk.lose_power();
        let mut safe = vec![vec![b'x'; 9000], b"small".to_vec()];
        if second {
            safe.insert(1, vec![b'y'; 9000]);
        }
        assert_eq!(Opened::on(&disk).payloads(), safe, "after {calls} calls");
    }
}

#[test]
fn a_file_that_was_prepared_keeps_what_is_appended_to_it() {
    for (calls, seed) in (0..3 * CALLS).flat_map(|calls| (0..10).map(move |seed| (calls, seed))) {
        let disk = SimulatedDisk::new(seed);
        let mut opened = Opened::on(&disk);
        assert!(opened.append(&[b'x'; 9000]));
        disk.die_after(calls);
        opened.look_ahead();
        let (second, third) = (opened.append(&[b'y'; 9000]), opened.append(&[b'z'; 3000]));
        disk.lose_power();
        let opened = Opened::on(&disk);
        let found = opened.payloads();
        assert!(
            found.len() > usize::from(second) + usize::from(third),
            "after {calls} calls"
        );
        assert!(found.iter().zip(b"xyz").all(|(payload, byte)| payload[0] == *byte));
        assert_eq!(disk.names(), disk.segments());
    }
}

#[test]
fn a_file_that_cannot_be_prepared_is_not_missed() {
    const MADE_OF: u64 = 4; // create, allocate, write, sync
    for (calls, seed) in (0..MADE_OF).flat_map(|calls| (0..10).map(move |seed| (calls, seed))) {
        let disk = SimulatedDisk::new(seed);
        let mut opened = Opened::on(&disk);
        assert!(opened.append(&[b'x'; 9000]));
        disk.fail_change_after(calls);
        opened.look_ahead();
        assert_eq!(disk.names(), disk.segments(), "after {calls} calls");
        assert!(opened.append(&[b'y'; 9000]), "after {calls} calls");
    }
}

#[test]
fn what_was_prepared_gives_way_where_the_disk_gets_full() {
    let disk = SimulatedDisk::new(1);
    let mut opened = Opened::on(&disk);
    assert!(opened.append(&[b'x'; 5000]));
    let before = disk.used();
    opened.look_ahead();
    let prepared = disk.used() - before;
    assert_eq!(prepared, options().segment_bytes);
    // Too long for the prepared file, and the disk has no room beside it.
    disk.set_capacity(disk.used() + 9000);
    assert!(opened.append(&vec![b'y'; 20_000]));
    assert_eq!(opened.journal.status().health, Health::Good);
}

#[test]
fn what_landed_goes_before_its_time_where_the_disk_is_full() {
    let disk = SimulatedDisk::new(1);
    let retaining = Options {
        retain: Duration::from_secs(3600),
        reserve_bytes: 100 << 10,
        max_bytes: 8 << 20,
        ..options()
    };
    let mut opened = Opened::with(&disk, retaining);
    for _ in 0..300 {
        assert!(opened.append(&[b'x'; 9000]));
    }
    let all = disk.segments().len();
    disk.set_capacity(disk.used() + (99 << 10));
    while opened.append(b"until it is noticed") {}
    assert!(matches!(opened.journal.status().health, Health::DiskFull(_)));
    assert_eq!(disk.segments().len(), all, "nothing has landed");
    let seal = opened.seal(1, 300).unwrap();
    opened.journal.landed(seal.id).unwrap();
    opened.writer.round();
    assert_eq!(opened.journal.status().health, Health::Good);
    assert!(opened.append(b"there is room again"));
    let left = disk.segments().len();
    assert!(
        (all / 3..all).contains(&left),
        "no more goes than has to: {left} of {all}"
    );
}

#[test]
fn segments_go_in_order_even_where_one_cannot_be_removed() {
    for (calls, seed) in (0..CALLS).flat_map(|calls| (0..10).map(move |seed| (calls, seed))) {
        let disk = SimulatedDisk::new(seed);
        let mut opened = Opened::on(&disk);
        for _ in 0..5 {
            assert!(opened.append(&[b'x'; 9000]));
        }
        let all = disk.segments();
        let seal = opened.seal(1, 5).unwrap();
        opened.journal.landed(seal.id).unwrap();
        disk.fail_change_after(calls);
        opened.writer.round();
        disk.lose_power();
        let left = disk.segments();
        assert!(all.ends_with(&left) && !left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_read_that_failed_is_made_again_and_passes_nothing_over() {
    for seed in 0..20 {
        let disk = SimulatedDisk::new(seed);
        let mut opened = Opened::on(&disk);
        for number in 0..100_u8 {
            assert!(opened.append(&[number; 500]));
        }
        let mut reader = opened.journal.reader(1);
        let mut read = Vec::new();
        let query = Query {
            max_payloads: 7,
            ..Query::default()
        };
        disk.fail_reads(3);
        while read.len() < 100 {
            let slices = reader.read(&query).unwrap_or_default();
            read.extend(slices.iter().flat_map(Slice::payloads).map(|payload| payload.number));
        }
        assert!(read.into_iter().eq(1..=100));
        assert_eq!(opened.journal.status().counts.holes, 0);
    }
}

#[test]
fn a_reader_that_came_to_an_empty_segment_sees_what_follows() {
    for calls in 0..CALLS {
        let disk = SimulatedDisk::new(calls);
        let mut opened = Opened::on(&disk);
        disk.die_after(calls);
        opened.append(b"lost");
        disk.kill();
        let mut opened = Opened::on(&disk);
        let mut reader = opened.journal.reader(1);
        let before = reader.read(&Query::default()).unwrap();
        assert!(opened.append(b"next"));
        let after = reader.read(&Query::default()).unwrap();
        assert_eq!(after[0].lines, b"next\n", "after {calls} calls and {before:?}");
    }
}

#[test]
fn what_another_process_does_until_it_lets_go_of_the_folder_is_seen() {
    let disk = SimulatedDisk::new(1);
    let other = disk.clone();
    disk.before_lock(move || assert!(Opened::on(&other).append(b"theirs")));
    assert_eq!(Opened::on(&disk).payloads(), [b"theirs"]);
}
