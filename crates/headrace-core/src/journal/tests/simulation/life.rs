//! One life of a journal: what happens to it, in an order that follows from a seed.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    super::{
        super::*,
        simulated::{Random, SimulatedDisk},
    },
    promises::{Found, Outcome, Promises, Sent},
};
use crate::{http::coding::Coding, pack::Packer};

const STEPS: u64 = 80;
const FOLDER: &str = "/journal";
const SEGMENT: u64 = 16 << 10;

pub(super) struct Life {
    random: Random,
    disk: SimulatedDisk,
    clock: Arc<AtomicU64>,
    options: Options,
    open: Option<(Journal, Writer)>,
    reader: Option<Reader>,
    promises: Promises,
    age: u64,
    unique: u64,
    /// Whether bytes on the disk change now and then.
    changing: bool,
    /// Whether calls have failed: what they left behind is not counted as long as the journal is open.
    failed: bool,
}

impl Life {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
        let time = Arc::clone(&clock);
        let retain = Duration::from_secs(if random.once_in(2) { 0 } else { 60 });
        Self {
            disk: SimulatedDisk::new(random.next()),
            options: Options {
                segment_bytes: SEGMENT,
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
            changing: false,
            failed: false,
        }
    }

    pub(super) fn with_changed_bytes(mut self) -> Self {
        self.changing = true;
        self
    }

    pub(super) fn live(mut self) {
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
            0..37 => self.append(),
            37..55 => self.write(),
            55..60 => self.look_ahead(),
            60..70 => self.seal(),
            70..78 => self.land(),
            78..84 => self.read_on(),
            84..86 => self.misread(),
            86..89 => self.disk.die_after(self.random.below(12)),
            89..92 => self.fail_for_a_while(),
            92..93 => self.fail_for_good(),
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

    /// The thread that prepares the next segment's file does what it was asked for, if it was.
    fn look_ahead(&mut self) {
        self.write();
        let shared = &self.journal().shared;
        shared.ahead.prepare(&*shared.disk, &shared.folder, |_| true);
        let bounded = self.disk.used() <= self.options.max_bytes + 4 * SEGMENT;
        assert!(bounded || self.changing || self.failed, "{} bytes", self.disk.used());
    }

    fn append(&mut self) {
        let sent: Vec<Sent> = (0..=self.random.below(3)).map(|_| self.collection()).collect();
        let together = self.random.once_in(3);
        let calls: Vec<Vec<Sent>> = if together {
            vec![sent]
        } else {
            sent.into_iter().map(|sent| vec![sent]).collect()
        };
        for call in calls {
            self.append_together(call);
        }
    }

    fn append_together(&mut self, mut sent: Vec<Sent>) {
        let payloads: Vec<Vec<&[u8]>> = sent
            .iter()
            .map(|sent| sent.payloads.iter().map(Vec::as_slice).collect())
            .collect();
        let record = |(sent, payloads): (&Sent, _)| Record {
            stream: sent.stream,
            key: sent.key,
            payloads,
        };
        let records: Vec<Record<'_>> = sent
            .iter()
            .zip(payloads.iter().map(Vec::as_slice))
            .map(record)
            .collect();
        let outcome = Outcome::default();
        let told = Arc::clone(&outcome);
        let completion: Completion = Box::new(move |result| {
            let before = told.lock().unwrap().replace(result);
            assert_eq!(before, None, "told twice");
        });
        let Ok(Appended { first, .. }) = self.journal().append(&records, Some(completion)) else {
            return;
        };
        let (mut next, shared) = (first, sent.len() > 1);
        for sent in &mut sent {
            sent.shared = shared;
            sent.first = next;
            sent.outcome = Arc::clone(&outcome);
            next += sent.payloads.len() as u64;
        }
        for sent in sent {
            self.promises.send(sent);
        }
    }

    fn collection(&mut self) -> Sent {
        let count = 1 + self.random.below(4);
        let payloads = (0..count).map(|_| self.payload()).collect();
        let key = self.random.once_in(3).then_some(Key {
            key: [self.unique as u8; 16],
            body: [1; 16],
        });
        Sent {
            stream: self.random.below(2) as u16,
            key,
            first: 0,
            payloads,
            outcome: Outcome::default(),
            shared: false,
            age: self.age,
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        self.unique += 1;
        let longest = if self.random.once_in(8) { 3000 } else { 200 };
        let mut payload = format!("{} ", self.unique).into_bytes();
        payload.extend((0..self.random.below(longest)).map(|place| (place % 251) as u8));
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
        self.check_other_views(&query, &slices);
        for slice in slices {
            let (first, last) = (slice.first(), slice.last());
            let range = Range {
                stream: slice.stream,
                first,
                last,
            };
            let note = format!("to {first}").into_bytes();
            match self.journal().seal(range, &note) {
                Ok(seal) => {
                    let made = (seal.range, seal.count, &seal.note);
                    assert_eq!(made, (range, slice.count() as u64, &note));
                    let before = self.promises.sealed.insert(seal.id, seal);
                    assert_eq!(before, None, "a name given twice");
                }
                Err(error) => {
                    assert!(error.to_string().contains("cannot be written"), "{error}");
                    self.promises.maybe_sealed.push(range);
                }
            }
        }
    }

    /// What is counted and what is packed is what was read.
    fn check_other_views(&self, query: &Query, slices: &[Slice]) {
        if let Ok(spans) = self.journal().reader(1).survey(query) {
            assert!(self.changing || spans == slices.iter().map(counted).collect::<Vec<_>>());
        }
        for slice in slices {
            let mut packer = Packer::new(Coding::Identity, 0).unwrap();
            let mut reader = self.journal().reader(slice.first());
            if reader.pack(slice.stream, slice.last(), &mut packer).is_ok() {
                assert!(self.changing || packer.finish().unwrap().bytes == slice.lines);
                assert!(self.changing || reader.position() == slice.last() + 1);
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
                assert!(count == seal.count || self.changing, "{count} of {seal:?}");
                self.promises.maybe_landed.remove(&id);
                self.promises.landed.push(seal);
            }
            Err(_) => drop(self.promises.maybe_landed.insert(id)),
        }
    }

    /// A reader that stays sees each number once, in order, and only what is safe.
    fn read_on(&mut self) {
        let mut reader = self.reader.take().unwrap_or_else(|| self.journal().reader(1));
        let from = reader.position();
        let query = Query {
            max_payloads: 7,
            ..Query::default()
        };
        match reader.read(&query) {
            Ok(slices) => self.promises.check_read(from, reader.position(), &slices, self.age),
            Err(_) => assert_eq!(reader.position(), from),
        }
        self.reader = Some(reader);
    }

    fn misread(&mut self) {
        self.disk.fail_reads(1 + self.random.below(3));
        self.read_on();
        self.seal();
        self.read_on();
        self.disk.fail_reads(0);
        self.read_on();
    }

    fn fail_for_a_while(&mut self) {
        self.failed = true;
        self.disk.fail_changes(1 + self.random.below(4));
        for _ in 0..=self.random.below(3) {
            self.append();
            self.write();
        }
        self.seal();
        self.land();
        self.disk.fail_changes(0);
    }

    /// Until the next crash. Nothing is acknowledged.
    fn fail_for_good(&mut self) {
        self.failed = true;
        self.write();
        self.disk.fail_changes(1);
        let before = self.journal().status().counts.appended;
        self.append();
        self.write();
        self.seal();
        assert_eq!(
            self.journal().status().counts.appended,
            before,
            "safe on a disk that fails"
        );
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
        self.reader = None;
        self.open = None;
        if self.random.once_in(3) {
            self.disk.kill();
        } else {
            self.disk.lose_power();
        }
        if self.changing && self.random.once_in(3) {
            self.promises.flips += u32::from(self.disk.flip_a_bit(&mut self.random));
        }
        self.reopen();
    }

    fn reopen(&mut self) {
        self.promises.settle(self.age);
        self.age += 1;
        match self.random.below(10) {
            // The power goes while it is being opened, or right after.
            0 => {
                self.disk.die_after(self.random.below(20));
                drop(self.assemble());
                self.disk.lose_power();
                self.promises.excused = true;
            }
            1 => {
                self.disk.fail_changes(1 + self.random.below(5));
                drop(self.assemble());
                self.promises.excused = true;
            }
            2 => {
                self.disk.fail_reads(1 + self.random.below(5));
                drop(self.assemble());
                self.promises.excused = true;
            }
            _ => {}
        }
        self.disk.fail_changes(0);
        self.disk.fail_reads(0);
        self.disk.take_bytes_read();
        let mut opened = self.assemble();
        if self.disk.is_dead() {
            drop(opened);
            self.disk.lose_power();
            opened = self.assemble();
        }
        let (journal, writer, report) = opened.unwrap();
        let read = self.disk.take_bytes_read();
        assert!(read <= 8 * self.disk.used() + (1 << 20), "{read} bytes were read");
        let bounded = self.disk.used() <= self.options.max_bytes + 4 * SEGMENT;
        assert!(bounded || self.changing || self.failed, "{} bytes", self.disk.used());
        self.promises.check(&Found::in_journal(&journal, report));
        self.open = Some((journal, writer));
    }

    fn assemble(&self) -> Result<(Journal, Writer, Recovery), Error> {
        Journal::assemble(Path::new(FOLDER), self.options.clone(), Arc::new(self.disk.clone()))
    }
}

fn counted(slice: &Slice) -> Span {
    Span {
        stream: slice.stream,
        time: slice.time,
        first: slice.first(),
        last: slice.last(),
        count: slice.count() as u64,
        size: slice.lines.len() as u64,
    }
}
