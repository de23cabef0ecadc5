//! What a journal has promised, and whether what is found after an opening keeps it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use super::super::super::{record, seals, *};

pub(super) type Outcome = Arc<Mutex<Option<Result<(), Failure>>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Appended, and nobody was told how it went: it may be there or not, whole.
    Possible,
    /// Acknowledged, or seen after an opening: it stays until it has landed.
    Promised,
    /// It failed, and something later in the same opening did not: it never shows.
    Dead,
    /// Bytes of it were changed on the disk, and that was reported.
    Lost,
}

/// A record that was appended.
pub(super) struct Sent {
    pub(super) stream: u16,
    pub(super) key: Option<Key>,
    pub(super) first: u64,
    pub(super) payloads: Vec<Vec<u8>>,
    pub(super) outcome: Outcome,
    /// Whether others were appended with it, some of which may be safe when the whole is not.
    pub(super) shared: bool,
    /// Of which opening of the journal it was.
    pub(super) age: u64,
}

impl Sent {
    fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.payloads.len() as u64
    }

    fn size(&self) -> u64 {
        let payloads: Vec<&[u8]> = self.payloads.iter().map(Vec::as_slice).collect();
        record::size(&Record {
            stream: self.stream,
            key: self.key,
            payloads: &payloads,
        }) as u64
    }

    pub(super) fn outcome(&self) -> Option<Result<(), Failure>> {
        *self.outcome.lock().unwrap()
    }
}

/// What is in a journal that was just opened.
pub(super) struct Found {
    present: BTreeMap<u64, (u16, Vec<u8>)>,
    open: BTreeSet<u64>,
    keys: BTreeSet<(u64, u64, [u8; 16])>,
    sealed: BTreeMap<u64, Seal>,
    next: u64,
    report: Recovery,
}

impl Found {
    pub(super) fn in_journal(journal: &Journal, report: Recovery) -> Self {
        let mut present = BTreeMap::new();
        for (number, stream, bytes) in all(journal, false) {
            assert!(present.insert(number, (stream, bytes)).is_none(), "{number} twice");
        }
        let mut keys = BTreeSet::new();
        let keyed = |keyed: Keyed| assert!(keys.insert((keyed.first, keyed.last, keyed.key.key)));
        journal.reader(1).keys(keyed).unwrap();
        let sealed = journal.sealed().into_iter().map(|seal| (seal.id, seal));
        Self {
            present,
            open: all(journal, true).map(|(number, ..)| number).collect(),
            keys,
            sealed: sealed.collect(),
            next: journal.status().next,
            report,
        }
    }
}

/// Number, stream and bytes of each payload, or of each one that is open.
fn all(journal: &Journal, open: bool) -> impl Iterator<Item = (u64, u16, Vec<u8>)> {
    let query = Query {
        open,
        ..Query::default()
    };
    let mut reader = journal.reader(1);
    let slices = std::iter::from_fn(move || Some(reader.read(&query).unwrap()).filter(|slices| !slices.is_empty()));
    slices.flat_map(|slices| flat(&slices))
}

pub(super) fn flat(slices: &[Slice]) -> Vec<(u64, u16, Vec<u8>)> {
    let of = |slice: &Slice| -> Vec<_> {
        let payloads = slice.payloads();
        payloads
            .map(|payload| (payload.number, slice.stream, payload.bytes.to_vec()))
            .collect()
    };
    slices.iter().flat_map(of).collect()
}

fn covers(range: Range, stream: u16, number: u64) -> bool {
    range.stream == stream && (range.first..=range.last).contains(&number)
}

#[derive(Default)]
pub(super) struct Promises {
    sent: Vec<(Sent, Fate)>,
    /// Which of them have a number.
    by_number: BTreeMap<u64, Vec<usize>>,
    /// Seals that stand, and those that may: the call failed, but the note may be on the disk.
    pub(super) sealed: BTreeMap<u64, Seal>,
    pub(super) maybe_sealed: Vec<Range>,
    /// Seals that have landed, and those that may have.
    pub(super) landed: Vec<Seal>,
    pub(super) maybe_landed: BTreeSet<u64>,
    /// Bits that were changed on the disk. Then losses are no failures: that they are not reported is one.
    pub(super) flips: u32,
    /// Whether a segment was ever set aside. Then it is not known what was removed because it had landed.
    set_aside: bool,
    /// A loss may have been reported by an opening that failed in the end.
    pub(super) excused: bool,
}

impl Promises {
    pub(super) fn send(&mut self, sent: Sent) {
        for number in sent.numbers() {
            self.by_number.entry(number).or_default().push(self.sent.len());
        }
        self.sent.push((sent, Fate::Possible));
    }

    fn has_landed(&self, stream: u16, number: u64) -> bool {
        self.landed.iter().any(|seal| covers(seal.range, stream, number))
    }

    /// The process has ended: what it was told counts.
    pub(super) fn settle(&mut self, age: u64) {
        let mut acknowledged = 0;
        for (sent, fate) in self.sent.iter_mut().rev().take_while(|(sent, _)| sent.age == age) {
            match sent.outcome() {
                Some(Ok(())) => {
                    acknowledged = acknowledged.max(sent.first);
                    *fate = Fate::Promised;
                }
                Some(Err(_)) if acknowledged > sent.first && !sent.shared => *fate = Fate::Dead,
                _ => {}
            }
        }
    }

    /// What a reader saw of an open journal: only what is safe, and nothing is passed over.
    pub(super) fn check_read(&self, from: u64, to: u64, slices: &[Slice], age: u64) {
        let mut seen = BTreeSet::new();
        for (number, stream, bytes) in flat(slices) {
            let (sent, fate) = &self.sent[self.find(number, stream, &bytes)];
            let safe = sent.age == age && (sent.outcome() == Some(Ok(())) || sent.shared);
            assert!(
                safe || *fate == Fate::Promised || self.flips > 0,
                "{number} is seen before it is safe"
            );
            assert!(number >= from && seen.insert(number), "{number} again");
        }
        for (number, sent) in self.by_number.range(from..to) {
            let expected = sent.iter().map(|sent| &self.sent[*sent]).any(|(sent, fate)| {
                let safe = *fate == Fate::Promised || (sent.age == age && sent.outcome() == Some(Ok(())));
                safe && *fate != Fate::Lost && !self.has_landed(sent.stream, *number)
            });
            assert!(!expected || seen.contains(number), "{number} is passed over");
        }
    }

    /// The record that has this payload.
    fn find(&self, number: u64, stream: u16, bytes: &[u8]) -> usize {
        let candidates = self.by_number.get(&number).into_iter().flatten();
        let found = candidates.copied().find(|index| {
            let sent = &self.sent[*index].0;
            sent.stream == stream && sent.payloads[(number - sent.first) as usize] == bytes
        });
        found.unwrap_or_else(|| panic!("{number} of stream {stream} was never appended so"))
    }

    /// Compares what was promised with what is there, right after an opening.
    pub(super) fn check(&mut self, found: &Found) {
        let report = &found.report;
        self.set_aside |= self.excused || report.damaged.iter().any(|damage| damage.file != seals::NAME);
        let holes: u32 = report.damaged.iter().map(|damage| damage.holes).sum();
        assert!(holes <= self.flips, "damage without cause: {report:?}");
        self.decide_landings(found);
        let there = self.recognise(found);
        self.check_kept(&there, report);
        self.check_keys(&there, found);
        self.check_seals(found);
        self.check_open(found);
        let known = self
            .sent
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Promised | Fate::Lost));
        let highest = known.map(|(sent, _)| sent.numbers().end).max().unwrap_or(1);
        assert!(found.next >= highest, "{} would be given twice", found.next);
        self.excused = false;
    }

    /// What may have landed has, if its seal does not stand any more.
    fn decide_landings(&mut self, found: &Found) {
        for id in std::mem::take(&mut self.maybe_landed) {
            if !found.sealed.contains_key(&id)
                && let Some(seal) = self.sealed.remove(&id)
            {
                self.landed.push(seal);
            }
        }
    }

    /// The records that are there, each of them whole. They stay from now on; but where a header is lost to a changed
    /// byte, what had failed before it may show, and counts as landed or not.
    fn recognise(&mut self, found: &Found) -> BTreeSet<usize> {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for (number, (stream, bytes)) in &found.present {
            *counts.entry(self.find(*number, *stream, bytes)).or_default() += 1;
        }
        for (index, count) in &counts {
            let (sent, fate) = &mut self.sent[*index];
            assert_eq!(*count, sent.payloads.len(), "a part of {:?} is there", sent.numbers());
            assert!(*fate != Fate::Dead || self.flips > 0, "{:?} had failed", sent.numbers());
            if self.flips == 0 {
                *fate = Fate::Promised;
            }
        }
        counts.into_keys().collect()
    }

    /// What was promised is there, has landed, or was lost to bytes that changed, and then these were reported.
    fn check_kept(&mut self, there: &BTreeSet<usize>, report: &Recovery) {
        let mut lost = Vec::new();
        for (index, (sent, fate)) in self.sent.iter().enumerate() {
            let gone = *fate == Fate::Promised && !there.contains(&index);
            if gone && !sent.numbers().all(|number| self.has_landed(sent.stream, number)) {
                assert!(self.flips > 0, "{:?} is lost", sent.numbers());
                lost.push(index);
            }
        }
        let bytes: u64 = lost.iter().map(|index| self.sent[*index].0.size()).sum();
        let damaged = report.damaged.iter().filter(|damage| damage.file != seals::NAME);
        let reported = damaged.map(|damage| damage.bytes).sum::<u64>() + report.torn;
        assert!(bytes <= reported || self.excused, "{bytes} bytes are lost: {report:?}");
        for index in lost {
            self.sent[index].1 = Fate::Lost;
        }
    }

    fn check_keys(&self, there: &BTreeSet<usize>, found: &Found) {
        let sent = there.iter().map(|index| &self.sent[*index].0);
        let keys = sent.filter_map(|sent| Some((sent.first, sent.numbers().end - 1, sent.key?.key)));
        assert_eq!(found.keys, keys.collect::<BTreeSet<_>>(), "keys");
    }

    /// Seals stand as they were made. What may have been noted is settled now.
    fn check_seals(&mut self, found: &Found) {
        if self.flips > 0 && !self.set_aside {
            self.check_no_part_lands_again(found);
        }
        if self.flips > 0 {
            self.sealed.clone_from(&found.sealed);
            return;
        }
        for (id, seal) in &self.sealed {
            assert_eq!(found.sealed.get(id), Some(seal), "a seal is lost");
        }
        for (id, seal) in &found.sealed {
            let known = self.sealed.contains_key(id) || self.maybe_sealed.contains(&seal.range);
            assert!(known, "{seal:?} was never made");
            assert_eq!(seal.count, Self::count(found, seal.range), "{seal:?}");
        }
        self.sealed.clone_from(&found.sealed);
        self.maybe_sealed.clear();
    }

    fn count(found: &Found, range: Range) -> u64 {
        let present = found.present.range(range.first..=range.last);
        present.filter(|(_, (stream, _))| *stream == range.stream).count() as u64
    }

    /// A seal that has landed, and stands again because notes are lost, still has all that was not lost itself.
    fn check_no_part_lands_again(&self, found: &Found) {
        for seal in self
            .landed
            .iter()
            .filter(|seal| found.sealed.get(&seal.id) == Some(*seal))
        {
            let own = |(sent, fate): &&(Sent, Fate)| *fate == Fate::Promised && sent.stream == seal.range.stream;
            let numbers = self.sent.iter().filter(own).flat_map(|(sent, _)| sent.numbers());
            for number in numbers.filter(|number| covers(seal.range, seal.range.stream, *number)) {
                assert!(
                    found.present.contains_key(&number),
                    "{seal:?} would land again without {number}"
                );
            }
        }
    }

    /// Open is what is there, has not landed and is not sealed. Where notes are lost, more is open, and never less.
    fn check_open(&self, found: &Found) {
        let is_open = |(number, (stream, bytes)): &(&u64, &(u16, Vec<u8>))| {
            let sealed = self.sealed.values().any(|seal| covers(seal.range, *stream, **number));
            let promised = self.sent[self.find(**number, *stream, bytes)].1 == Fate::Promised;
            promised && !sealed && !self.has_landed(*stream, **number)
        };
        let expected: BTreeSet<u64> = found
            .present
            .iter()
            .filter(is_open)
            .map(|(number, _)| *number)
            .collect();
        if self.flips > 0 {
            assert!(
                found.open.is_superset(&expected),
                "open: {:?}, not {expected:?}",
                found.open
            );
        } else {
            assert_eq!(found.open, expected, "open");
        }
    }
}
