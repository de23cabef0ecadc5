//! Which payloads have not landed yet: runs of consecutive numbers of one stream.
//!
//! A run is open until a consumer seals it, and gone when what was sealed has landed. One stream that is read in order
//! is one or two runs, however many payloads; streams that alternate cost a run for each change.

use std::collections::BTreeMap;

/// Payloads of one stream, from the first number to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub stream: u16,
    pub first: u64,
    pub last: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    last: u64,
    stream: u16,
    /// What it is sealed as; 0 while it is open.
    seal: u64,
}

#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// By first number; no two overlap.
    runs: BTreeMap<u64, Run>,
    payloads: u64,
}

impl Backlog {
    /// How many payloads have not landed.
    pub(super) fn payloads(&self) -> u64 {
        self.payloads
    }

    /// The lowest number that has not landed.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.runs.keys().next().copied()
    }

    /// Payloads that came behind all others.
    pub(super) fn push(&mut self, range: Range) {
        self.payloads += range.last - range.first + 1;
        if let Some(mut entry) = self.runs.last_entry() {
            let run = entry.get_mut();
            if run.last + 1 == range.first && run.stream == range.stream && run.seal == 0 {
                run.last = range.last;
                return;
            }
        }
        self.insert(range, 0);
    }

    /// How many open payloads `range` covers, or why it cannot be sealed.
    pub(super) fn sealable(&self, range: Range) -> Result<u64, &'static str> {
        if range.first > range.last {
            return Err("it ends before it begins");
        }
        let mut own = self
            .overlapping(range.first, range.last)
            .filter(|(_, run)| run.stream == range.stream);
        if own.any(|(_, run)| run.seal != 0) {
            return Err("a part of it is sealed already");
        }
        match self.parts(range, 0).map(|part| part.last - part.first + 1).sum() {
            0 => Err("nothing of it waits"),
            count => Ok(count),
        }
    }

    /// Open payloads from `from` on, of `stream` if one is named, at least `wanted` if there are so many.
    pub(super) fn open_from(&self, from: u64, stream: Option<u16>, wanted: u64) -> Vec<Range> {
        let mut count = 0;
        self.overlapping(from, u64::MAX)
            .filter(|(_, run)| run.seal == 0 && stream.is_none_or(|stream| run.stream == stream))
            .map(|(first, run)| Range {
                stream: run.stream,
                first: first.max(from),
                last: run.last,
            })
            .take_while(|range| {
                let more = count < wanted;
                count += range.last - range.first + 1;
                more
            })
            .collect()
    }

    /// Seals the open payloads of `range`.
    pub(super) fn seal(&mut self, range: Range, seal: u64) {
        for part in self.parts(range, 0).collect::<Vec<_>>() {
            self.cut_out(part);
            self.insert(part, seal);
        }
    }

    /// Forgets the payloads of `range` that are sealed as `seal`; returns how many there were.
    pub(super) fn land(&mut self, range: Range, seal: u64) -> u64 {
        let before = self.payloads;
        for part in self.parts(range, seal).collect::<Vec<_>>() {
            self.cut_out(part);
            self.payloads -= part.last - part.first + 1;
        }
        before - self.payloads
    }

    /// Whether nothing from `first` to `last` waits.
    pub(super) fn is_clear(&self, first: u64, last: u64) -> bool {
        self.overlapping(first, last).next().is_none()
    }

    /// All that has not landed, sealed or open.
    pub(super) fn all(&self) -> impl Iterator<Item = Range> + '_ {
        self.runs.iter().map(|(first, run)| Range {
            stream: run.stream,
            first: *first,
            last: run.last,
        })
    }

    /// Forgets what is below `floor` and not in `kept`, which is in order.
    pub(super) fn keep_below(&mut self, floor: u64, kept: &[Range]) {
        let below: Vec<Range> = self.all().take_while(|range| range.first < floor).collect();
        let mut kept = kept.iter().copied().peekable();
        for range in below {
            let range = Range {
                last: range.last.min(floor - 1),
                ..range
            };
            self.cut_out(range);
            self.payloads -= range.last - range.first + 1;
            while kept.next_if(|kept| kept.last < range.first).is_some() {}
            let mut wanted = kept.clone();
            while let Some(kept) = wanted.next_if(|kept| kept.first <= range.last) {
                let first = kept.first.max(range.first);
                let last = kept.last.min(range.last);
                if kept.stream == range.stream && first <= last {
                    self.insert(Range { first, last, ..range }, 0);
                    self.payloads += last - first + 1;
                }
            }
        }
    }

    fn insert(&mut self, range: Range, seal: u64) {
        let run = Run {
            last: range.last,
            stream: range.stream,
            seal,
        };
        self.runs.insert(range.first, run);
    }

    /// Removes `part`, which lies within one run, and leaves what is left of it on both sides.
    fn cut_out(&mut self, part: Range) {
        let Some((&first, &run)) = self.runs.range(..=part.first).next_back() else {
            return;
        };
        self.runs.remove(&first);
        if first < part.first {
            self.runs.insert(
                first,
                Run {
                    last: part.first - 1,
                    ..run
                },
            );
        }
        if part.last < run.last {
            self.runs.insert(part.last + 1, run);
        }
    }

    /// The parts of `range` that are of its stream and sealed as `seal`.
    fn parts(&self, range: Range, seal: u64) -> impl Iterator<Item = Range> + '_ {
        self.overlapping(range.first, range.last)
            .filter(move |(_, run)| run.stream == range.stream && run.seal == seal)
            .map(move |(first, run)| Range {
                stream: run.stream,
                first: first.max(range.first),
                last: run.last.min(range.last),
            })
    }

    fn overlapping(&self, first: u64, last: u64) -> impl Iterator<Item = (u64, &Run)> {
        let from = self
            .runs
            .range(..first)
            .next_back()
            .filter(|(_, run)| run.last >= first)
            .map_or(first, |(first, _)| *first);
        self.runs.range(from..=last.max(from)).map(|(first, run)| (*first, run))
    }
}
