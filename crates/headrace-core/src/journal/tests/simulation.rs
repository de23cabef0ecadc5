//! What holds whatever a disk does: thousands of lives of a journal, each with crashes, torn writes, failed syncs, full
//! disks, reopened again and again, compared with a model that knows what was promised.
//!
//! `HEADRACE_JOURNAL_SEED=n cargo test -p headrace-core journal` runs one life; `HEADRACE_JOURNAL_SEEDS=n` sets how many.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    super::*,
    simulated_disk::{Random, SimulatedDisk},
};

const SEEDS: u64 = 2000;
const STEPS: u64 = 80;
const FOLDER: &str = "/journal";

/// One appended record: its payloads by number, and what its completion said.
struct Sent {
    stream: u16,
    payloads: BTreeMap<u64, Vec<u8>>,
    outcome: Arc<Mutex<Option<Result<(), Failure>>>>,
    /// Of which opening of the journal it was.
    age: u64,
}

impl Sent {
    fn outcome(&self) -> Option<Result<(), Failure>> {
        *self.outcome.lock().unwrap()
    }
}

/// What was promised.
#[derive(Default)]
struct Promises {
    sent: Vec<Sent>,
    /// Seals that stand, and those that may: the call failed, but the note may be on the disk.
    sealed: BTreeMap<u64, Seal>,
    maybe_sealed: Vec<Range>,
    /// Seals that have landed, and those that may have.
    landed: Vec<Seal>,
    maybe_landed: BTreeSet<u64>,
}

impl Promises {
    fn has_landed(&self, stream: u16, number: u64) -> bool {
        self.landed.iter().any(|seal| covers(seal.range, stream, number))
    }
}

fn covers(range: Range, stream: u16, number: u64) -> bool {
    range.stream == stream && (range.first..=range.last).contains(&number)
}

struct Life {
    random: Random,
    disk: SimulatedDisk,
    clock: Arc<AtomicU64>,
    options: Options,
    open: Option<(Journal, Writer)>,
    reader: Option<Reader>,
    promises: Promises,
    age: u64,
    unique: u64,
    /// Whether bytes were changed that were safe: then what is lost has to be reported, no more.
    flipped: bool,
    /// Whether a loss was ever reported.
    harmed: bool,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
        let time = Arc::clone(&clock);
        let retain = Duration::from_secs(if random.once_in(2) { 0 } else { 60 });
        Self {
            disk: SimulatedDisk::new(random.next()),
            options: Options {
                segment_bytes: 16 << 10,
                max_bytes: (64 + random.below(192)) << 10,
                max_payloads: 50 + random.below(500),
                reserve_bytes: 0,
                retain,
                clock: Arc::new(move || time.load(Relaxed)),
                ..Options::default()
            },
            random,
            clock,
            open: None,
            reader: None,
            promises: Promises::default(),
            age: 0,
            unique: 0,
            flipped: false,
            harmed: false,
        }
    }

    fn live(&mut self) {
        self.reopen();
        for _ in 0..STEPS {
            self.step();
            if self.disk.is_dead() {
                self.crash();
            }
        }
        self.crash();
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..40 => self.append(),
            40..65 => self.write(),
            65..75 => self.seal(),
            75..83 => self.land(),
            83..88 => self.read_on(),
            88..91 => self.disk.die_after(self.random.clone().below(12)),
            91..93 => self.fail_for_a_while(),
            93..95 => self.fill_the_disk(),
            95..97 => drop(self.clock.fetch_add(45_000, Relaxed)),
            97..98 => self.close(),
            _ => self.crash(),
        }
    }

    fn journal(&self) -> &Journal {
        &self.open.as_ref().unwrap().0
    }

    fn write(&mut self) {
        self.open.as_mut().unwrap().1.round();
    }

    fn append(&mut self) {
        for _ in 0..=self.random.below(3) {
            let count = 1 + self.random.below(4);
            let payloads: Vec<Vec<u8>> = (0..count).map(|_| self.payload()).collect();
            let slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            let record = Record {
                stream: self.random.below(2) as u16,
                key: self.random.once_in(3).then_some(Key {
                    key: [self.unique as u8; 16],
                    body: [1; 16],
                }),
                payloads: &slices,
            };
            let outcome = Arc::new(Mutex::new(None));
            let told = Arc::clone(&outcome);
            let completion: Completion = Box::new(move |result| {
                let before = told.lock().unwrap().replace(result);
                assert_eq!(before, None, "told twice");
            });
            if let Ok(Appended { first, .. }) = self.journal().append(&[record], Some(completion)) {
                self.promises.sent.push(Sent {
                    stream: record.stream,
                    payloads: (first..).zip(payloads).collect(),
                    outcome,
                    age: self.age,
                });
            }
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        self.unique += 1;
        let length = if self.random.once_in(8) {
            self.random.below(3000)
        } else {
            self.random.below(200)
        };
        let mut payload = format!("{} ", self.unique).into_bytes();
        payload.extend((0..length).map(|place| (place % 251) as u8));
        payload
    }

    /// Seals some of what is open, in slices as a consumer does.
    fn seal(&mut self) {
        let query = Query {
            open: true,
            max_payloads: 1 + self.random.below(20),
            span: Duration::from_secs(3600),
            ..Query::default()
        };
        let Ok(slices) = self.journal().reader(1).read(&query) else {
            return;
        };
        for slice in slices {
            let range = Range {
                stream: slice.stream,
                first: slice.first(),
                last: slice.last(),
            };
            let note = format!("to {}", slice.first()).into_bytes();
            match self.journal().seal(range, &note) {
                Ok(seal) => {
                    assert_eq!(
                        (seal.range, seal.count, &seal.note),
                        (range, slice.count() as u64, &note)
                    );
                    assert!(
                        self.promises.sealed.insert(seal.id, seal).is_none(),
                        "a name given twice"
                    );
                }
                Err(error) => {
                    assert!(error.to_string().contains("cannot be written"), "{error}");
                    self.promises.maybe_sealed.push(range);
                }
            }
        }
    }

    fn land(&mut self) {
        let standing: Vec<u64> = self.promises.sealed.keys().copied().collect();
        let Some(&id) = standing.get(self.random.below(standing.len() as u64) as usize) else {
            return;
        };
        match self.journal().landed(id) {
            Ok(count) => {
                let seal = self.promises.sealed.remove(&id).unwrap();
                assert!(count == seal.count || self.flipped);
                self.promises.landed.push(seal);
            }
            Err(_) => drop(self.promises.maybe_landed.insert(id)),
        }
    }

    /// A reader that stays sees each number once, in order, and only what is safe.
    fn read_on(&mut self) {
        let mut reader = self.reader.take().unwrap_or_else(|| self.journal().reader(1));
        let from = reader.position();
        if let Ok(slices) = reader.read(&Query {
            max_payloads: 7,
            ..Query::default()
        }) {
            for (number, stream, bytes) in flat(&slices) {
                assert!(number >= from);
                self.check_payload(number, stream, &bytes, true);
            }
        }
        self.reader = Some(reader);
    }

    fn fail_for_a_while(&mut self) {
        self.disk.fail_once_in(1 + self.random.below(3));
        for _ in 0..=self.random.below(3) {
            self.append();
            self.write();
        }
        self.seal();
        self.land();
        self.disk.fail_once_in(0);
    }

    fn fill_the_disk(&mut self) {
        self.disk.set_capacity(self.disk.used() + self.random.below(20_000));
        for _ in 0..=self.random.below(6) {
            self.append();
            self.write();
        }
        self.land();
        self.disk.set_capacity(u64::MAX);
        self.write();
        if !self.disk.is_dead() {
            let health = self.journal().status().health;
            assert!(!matches!(health, Health::DiskFull(_)), "{health:?} with room again");
        }
    }

    fn close(&mut self) {
        self.write();
        self.reader = None;
        if let Some((journal, writer)) = self.open.take() {
            writer.finish();
            drop(journal);
        }
        self.reopen();
    }

    fn crash(&mut self) {
        // What nobody was told before the crash was not promised.
        self.reader = None;
        self.open = None;
        if self.random.once_in(3) {
            self.disk.kill();
        } else {
            self.disk.lose_power();
        }
        self.reopen();
    }

    fn reopen(&mut self) {
        self.age += 1;
        // A crash while opening, too.
        if self.random.once_in(10) {
            self.disk.die_after(self.random.below(15));
            let opened = Journal::assemble(Path::new(FOLDER), self.options.clone(), Arc::new(self.disk.clone()));
            drop(opened);
            self.disk.lose_power();
        }
        let open = || Journal::assemble(Path::new(FOLDER), self.options.clone(), Arc::new(self.disk.clone()));
        let mut opened = open();
        if self.disk.is_dead() {
            drop(opened);
            self.disk.lose_power();
            opened = open();
        }
        let (journal, writer, report) = opened.unwrap();
        self.open = Some((journal, writer));
        self.check(&report);
    }

    /// All that was promised, right after opening.
    fn check(&mut self, report: &Recovery) {
        self.harmed |= !report.damaged.is_empty() || report.torn > 0;
        let harmed = self.harmed;
        assert!(
            report.damaged.is_empty() || self.flipped,
            "no damage without cause: {report:?}"
        );
        let present = self.check_present();
        self.check_kept(&present, harmed);
        self.check_seals(harmed);
        self.check_open(&present, harmed);
        let highest = self.promises.sent.iter().filter(|sent| sent.outcome() == Some(Ok(())));
        let highest = highest
            .filter_map(|sent| sent.payloads.keys().next_back())
            .max()
            .copied()
            .unwrap_or(0);
        assert!(self.journal().status().next > highest, "a number would be given twice");
    }

    /// Everything on disk was sent as it is, in order, once, whole.
    fn check_present(&self) -> BTreeMap<u64, u16> {
        let mut present = BTreeMap::new();
        let mut reader = self.journal().reader(1);
        loop {
            let slices = reader.read(&Query::default()).unwrap();
            if slices.is_empty() {
                break;
            }
            for (number, stream, bytes) in flat(&slices) {
                self.check_payload(number, stream, &bytes, false);
                assert!(present.insert(number, stream).is_none(), "{number} twice");
            }
        }
        present
    }

    fn check_payload(&self, number: u64, stream: u16, bytes: &[u8], told: bool) {
        let mut sent = self.promises.sent.iter().rev().filter(|sent| sent.stream == stream);
        let sent = sent.find(|sent| sent.payloads.get(&number).is_some_and(|payload| payload == bytes));
        let sent = sent.unwrap_or_else(|| panic!("{number} of stream {stream} was never appended so"));
        assert!(
            !told || sent.age < self.age || sent.outcome() == Some(Ok(())),
            "{number} is seen before it is safe"
        );
    }

    fn check_kept(&self, present: &BTreeMap<u64, u16>, harmed: bool) {
        for sent in &self.promises.sent {
            let there = sent
                .payloads
                .keys()
                .filter(|number| present.contains_key(number))
                .count();
            let landed = sent
                .payloads
                .keys()
                .any(|number| self.promises.has_landed(sent.stream, *number));
            let kept = there == sent.payloads.len() || landed || self.maybe_landed(sent);
            if sent.outcome() == Some(Ok(())) {
                assert!(kept || (self.flipped && harmed), "{:?} is lost", sent.payloads.keys());
            }
        }
    }

    fn maybe_landed(&self, sent: &Sent) -> bool {
        let mut seals = self
            .promises
            .maybe_landed
            .iter()
            .filter_map(|id| self.promises.sealed.get(id));
        seals.any(|seal| {
            sent.payloads
                .keys()
                .any(|number| covers(seal.range, sent.stream, *number))
        })
    }

    /// Seals stand as they were made. What may have been noted is settled now.
    fn check_seals(&mut self, harmed: bool) {
        let standing: BTreeMap<u64, Seal> = self
            .journal()
            .sealed()
            .into_iter()
            .map(|seal| (seal.id, seal))
            .collect();
        for id in std::mem::take(&mut self.promises.maybe_landed) {
            if !standing.contains_key(&id)
                && let Some(seal) = self.promises.sealed.remove(&id)
            {
                self.promises.landed.push(seal);
            }
        }
        if self.flipped && harmed {
            self.promises.sealed = standing;
            return;
        }
        for (id, seal) in &self.promises.sealed {
            assert_eq!(standing.get(id), Some(seal), "a seal is lost");
        }
        for (id, seal) in standing {
            let known = self.promises.sealed.contains_key(&id) || self.promises.maybe_sealed.contains(&seal.range);
            assert!(known, "{seal:?} was never made");
            self.promises.sealed.insert(id, seal);
        }
        self.promises.maybe_sealed.clear();
    }

    /// Open is what is there, has not landed and is not sealed.
    fn check_open(&self, present: &BTreeMap<u64, u16>, harmed: bool) {
        let open: BTreeSet<u64> = self.open_numbers();
        let expected: BTreeSet<u64> = present
            .iter()
            .filter(|(number, stream)| {
                let sealed = self
                    .promises
                    .sealed
                    .values()
                    .any(|seal| covers(seal.range, **stream, **number));
                !sealed && !self.promises.has_landed(**stream, **number)
            })
            .map(|(number, _)| *number)
            .collect();
        if !(self.flipped && harmed) {
            assert_eq!(open, expected, "open");
        }
    }

    fn open_numbers(&self) -> BTreeSet<u64> {
        let mut reader = self.journal().reader(1);
        let mut numbers = BTreeSet::new();
        loop {
            let slices = reader
                .read(&Query {
                    open: true,
                    ..Query::default()
                })
                .unwrap();
            if slices.is_empty() {
                return numbers;
            }
            numbers.extend(flat(&slices).map(|(number, ..)| number));
        }
    }
}

fn flat(slices: &[Slice]) -> impl Iterator<Item = (u64, u16, Vec<u8>)> {
    slices.iter().flat_map(|slice| {
        let stream = slice.stream;
        slice
            .payloads()
            .map(move |payload| (payload.number, stream, payload.bytes.to_vec()))
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs `life` for every seed; a failing one is named.
fn for_all_seeds(share: u64, life: impl Fn(u64)) {
    let seeds = match number("HEADRACE_JOURNAL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HEADRACE_JOURNAL_SEEDS").unwrap_or(SEEDS) / share,
    };
    for seed in seeds {
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| life(seed)));
        assert!(lived.is_ok(), "run it again with HEADRACE_JOURNAL_SEED={seed}");
    }
}

#[test]
fn what_was_acknowledged_outlives_every_crash_once_whole_and_in_order() {
    for_all_seeds(1, |seed| Life::new(seed).live());
}

#[test]
fn changed_bytes_are_reported_and_never_invent_or_shift_anything() {
    for_all_seeds(4, |seed| {
        let mut life = Life::new(!seed);
        life.reopen();
        for _ in 0..40 {
            match life.random.below(10) {
                0..5 => life.append(),
                5..8 => life.write(),
                8 => life.seal(),
                _ => life.land(),
            }
        }
        life.write();
        life.close();
        life.open = None;
        life.disk.kill();
        life.flipped = true;
        for _ in 0..=life.random.clone().below(3) {
            life.disk.flip_a_bit(&mut life.random);
        }
        life.reopen();
        life.append();
        life.write();
        life.close();
    });
}
