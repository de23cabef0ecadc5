//! Thousands of lives of a journal and its log file on a disk that forgets, tears, fails and is full. After each of them:
//! every acknowledged entry is in the files once, in order but for those that the side files name, and no line is cut.
//!
//! `HEADRACE_LOG_SEED=n cargo test -p headrace-core logs` leads one life; `HEADRACE_LOG_SEEDS=n` sets how many.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    super::{Entry, line::Format, rotation::SIDE, writer::Writer},
    LogFile, Options, Shared,
};
use crate::journal::{
    self, Completion, Record,
    disk::Disk,
    simulated::{Random, SimulatedDisk, SteppedJournal},
};

const SEEDS: u64 = 500;
const STEPS: u64 = 120;
const MILLI: i64 = 1_000_000;
const LINE: &str = "{time:ns};{message}";

type Told = Arc<Mutex<Option<bool>>>;

/// What is open.
struct Open {
    journal: SteppedJournal,
    writer: Writer,
    shared: Arc<Shared>,
}

struct Life {
    random: Random,
    disk: SimulatedDisk,
    clock: Arc<AtomicU64>,
    open: Option<Open>,
    /// Names of entries, and whether they were acknowledged.
    sent: BTreeMap<u64, Told>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        Self {
            disk: SimulatedDisk::new(random.next()),
            random,
            clock: Arc::new(AtomicU64::new(1_795_391_990_000)),
            open: None,
            sent: BTreeMap::new(),
        }
    }

    fn live(mut self) {
        self.reopen();
        for _ in 0..STEPS {
            self.step();
            if self.disk.is_dead() {
                self.crash();
            }
        }
        self.crash();
        self.finish();
        self.judge();
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..25 => self.append(),
            25..40 => self.open().journal.write(),
            40..65 => self.round(),
            65..82 => self.pass(),
            82..85 => self.open().writer.release(),
            85..89 => self.disk.die_after(self.random.below(25)),
            89..93 => self.disk.fail_changes(1 + self.random.below(6)),
            93..95 => self.disk.fail_reads(1 + self.random.below(6)),
            95..96 => self.disk.set_capacity(self.disk.used() + self.random.below(2000)),
            96..98 => self.calm(),
            _ => self.crash(),
        }
    }

    fn open(&mut self) -> &mut Open {
        self.open.as_mut().unwrap()
    }

    fn round(&mut self) {
        // What fails is tried again.
        let _ = self.open().writer.round();
    }

    /// Time goes on, seldom back.
    fn pass(&mut self) {
        let millis = self.random.below(1500);
        if self.random.once_in(30) {
            self.clock.fetch_sub(millis * 4, Relaxed);
        } else {
            self.clock.fetch_add(millis, Relaxed);
        }
    }

    fn calm(&mut self) {
        self.disk.fail_changes(0);
        self.disk.fail_reads(0);
        self.disk.set_capacity(u64::MAX);
    }

    fn append(&mut self) {
        let count = 1 + self.random.below(5);
        let told = Told::default();
        let mut payloads = Vec::new();
        for _ in 0..count {
            let name = self.sent.len() as u64;
            payloads.push(self.entry(name));
            self.sent.insert(name, Arc::clone(&told));
        }
        let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let record = Record {
            stream: 0,
            key: None,
            payloads: &payloads,
        };
        let completion: Completion = Box::new(move |outcome| *told.lock().unwrap() = Some(outcome.is_ok()));
        // Refused is not acknowledged.
        let _ = self.open().journal.journal.append(&[record], Some(completion));
    }

    /// Mostly of now, sometimes of a while ago or to come.
    fn entry(&mut self, name: u64) -> Vec<u8> {
        let spread = if self.random.once_in(10) { 20_000 } else { 1500 };
        let skew = self.random.below(2 * spread).cast_signed() - spread.cast_signed();
        let now = self.clock.load(Relaxed).cast_signed() + skew;
        let time = now * MILLI + self.random.below(3).cast_signed();
        let message = format!("{name} {}", "x".repeat(self.random.below(300) as usize));
        let mut bytes = Vec::new();
        let message = &message;
        Entry {
            time,
            message,
            ..Entry::default()
        }
        .encode(&mut bytes);
        bytes
    }

    fn crash(&mut self) {
        self.open = None;
        if self.random.once_in(3) {
            self.disk.kill();
        } else {
            self.disk.lose_power();
        }
        self.reopen();
    }

    fn reopen(&mut self) {
        self.disk.set_capacity(u64::MAX);
        if self.random.once_in(3) {
            self.disk.die_after(self.random.below(40));
            drop(self.assemble().map(|mut open| open.writer.round()));
            self.disk.lose_power();
        }
        self.open = Some(self.assemble().unwrap_or_else(|error| unreachable!("{error}")));
    }

    fn assemble(&self) -> Result<Open, crate::error::Error> {
        let clock = Arc::clone(&self.clock);
        let options = journal::Options {
            segment_bytes: 16 << 10,
            max_bytes: 256 << 10,
            reserve_bytes: 0,
            clock: Arc::new(move || clock.load(Relaxed)),
            ..journal::Options::default()
        };
        let journal = SteppedJournal::open(Path::new("/journal"), options, &self.disk)?;
        let options = Options {
            format: Format::parse(LINE).unwrap(),
            rotate_bytes: 4000,
            window_bytes: 20_000,
            ..Options::default()
        };
        let (path, checkpoint) = (Path::new("/log/log.txt"), Path::new("/journal/order.checkpoint"));
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let (shared, writer) = LogFile::assemble(Arc::clone(&journal.journal), path, checkpoint, options, disk)?;
        Ok(Open {
            journal,
            writer,
            shared,
        })
    }

    /// All that waits leaves.
    fn finish(&mut self) {
        self.calm();
        self.open().journal.write();
        for _ in 0..1000 {
            self.clock.fetch_add(1000, Relaxed);
            let all_read = self.open().writer.round().unwrap();
            if all_read && self.open().shared.state().status.waiting == 0 {
                self.open().writer.release();
                return;
            }
        }
        unreachable!("entries never leave the window");
    }

    fn content(&self, name: &str) -> String {
        let file = self.disk.open(&Path::new("/log").join(name)).unwrap();
        let mut bytes = vec![0; file.length().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn judge(&self) {
        let names = self.disk.names();
        let is_main = |name: &&String| name.starts_with("log") && name.contains(".txt") && !name.contains(SIDE);
        // Rotated ones sort before the one that is written.
        let mut mains: Vec<&String> = names.iter().filter(is_main).collect();
        mains.sort();
        let (mut floor, mut found) = (i64::MIN, BTreeSet::new());
        for main in mains {
            let late = self.late(&names, main);
            let text = self.content(main);
            assert!(text.is_empty() || text.ends_with('\n'), "{main} ends within a line");
            let mut place = 0;
            for line in text.split_inclusive('\n') {
                let read = Format::parse(LINE).unwrap().read(line.trim_end().as_bytes());
                let read = read.unwrap_or_else(|| unreachable!("{main} has {line:?}"));
                let name: u64 = read.message.split_whitespace().next().unwrap().parse().unwrap();
                assert!(found.insert(name), "{name} is there twice");
                if let Some(copy) = late.get(&place) {
                    assert_eq!(copy, line);
                } else {
                    assert!(read.time >= floor, "{name} in {main} is out of order and not marked");
                    floor = read.time;
                }
                place += line.len();
            }
            assert!(
                late.keys().all(|offset| *offset < text.len()),
                "{main} is shorter than its side file says"
            );
        }
        for (name, told) in &self.sent {
            let acknowledged = *told.lock().unwrap() == Some(true);
            assert!(
                !acknowledged || found.contains(name),
                "{name} was acknowledged and is lost"
            );
        }
        assert!(!names.iter().any(|name| name.contains(".old")), "{names:?}");
    }

    /// The lines that the side file of `main` names, by their places.
    fn late(&self, names: &[String], main: &str) -> BTreeMap<usize, String> {
        let side = format!("{main}{SIDE}");
        if !names.contains(&side) {
            return BTreeMap::new();
        }
        let text = self.content(&side);
        let marks = text.split_inclusive('\n').map(|mark| mark.split_once(';').unwrap());
        marks
            .map(|(offset, line)| (offset.parse().unwrap(), line.to_owned()))
            .collect()
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_acknowledged_entry_is_in_the_file_once_and_in_order_whatever_happens() {
    let seeds = match number("HEADRACE_LOG_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HEADRACE_LOG_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let lived = std::panic::catch_unwind(|| Life::new(seed).live());
        assert!(lived.is_ok(), "run it again with HEADRACE_LOG_SEED={seed}");
    }
}
