//! Reads what is safe, in order of the numbers, without an index.
//!
//! A reader remembers where in which segment it is. What it finds is handed out as `gather` has it, or packed as it is
//! read. Holes that a disk made since the journal was opened are passed over and counted.

use std::{io, ops::ControlFlow, sync::Arc};

use super::{
    backlog::Range,
    disk::File,
    gather::{Batch, Gathered, Query, Slice, Span},
    record::{self, Head, Key},
    scan::{Found, Walk},
    segment::START,
    state::Shared,
};
use crate::pack::Packer;

/// One payload as a visitor sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    pub number: u64,
    /// Milliseconds since 1970 at which it was appended.
    pub time: u64,
    pub bytes: &'a [u8],
}

/// A record that came with an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyed {
    pub key: Key,
    pub stream: u16,
    /// The numbers its payloads got.
    pub first: u64,
    pub last: u64,
    /// Milliseconds since 1970.
    pub time: u64,
}

/// Where in a segment a reader is.
struct Cursor {
    segment: u64,
    file: Box<dyn File>,
    walk: Walk,
}

/// A sequential reader.
pub struct Reader {
    shared: Arc<Shared>,
    next: u64,
    cursor: Option<Cursor>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, first: u64) -> Self {
        Self {
            shared,
            next: first,
            cursor: None,
        }
    }

    /// The number from which the next read goes on.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The next payloads that are safe; none when there are none now. After an error the next read begins at the same
    /// place.
    pub fn read(&mut self, query: &Query) -> io::Result<Vec<Slice>> {
        self.restarting(|reader| reader.gather(query))
    }

    /// The same, when all there is to know is how many there are.
    pub fn survey(&mut self, query: &Query) -> io::Result<Vec<Span>> {
        self.restarting(|reader| reader.gather(query))
    }

    /// Packs the payloads of `stream` from here to number `last`.
    pub fn pack(&mut self, stream: u16, last: u64, packer: &mut Packer) -> io::Result<()> {
        self.restarting(|reader| {
            while let Some((position, head)) = reader.record()?
                && let Some(cursor) = &mut reader.cursor
            {
                if head.stream == stream {
                    for (number, payload) in (head.first..).zip(record::payloads(cursor.walk.body())) {
                        if (reader.next..=last).contains(&number) {
                            packer.add(payload)?;
                        }
                    }
                }
                reader.next = head.last().min(last) + 1;
                if head.last() >= last {
                    if head.last() > last {
                        cursor.walk.rewind(position, &head);
                    }
                    break;
                }
            }
            Ok(())
        })
    }

    fn restarting<T>(&mut self, read: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let from = self.next;
        read(self).inspect_err(|_| {
            self.next = from;
            self.cursor = None;
        })
    }

    fn gather<T: Gathered>(&mut self, query: &Query) -> io::Result<Vec<T>> {
        let Some(wanted) = self.wanted(query) else {
            return Ok(Vec::new());
        };
        let mut batch = Batch::new(query, wanted);
        while !batch.full {
            let Some((position, head)) = self.record()? else {
                break;
            };
            let Some(cursor) = &mut self.cursor else {
                break;
            };
            self.next = batch.take(&head, cursor.walk.body(), self.next);
            if self.next <= head.last() {
                cursor.walk.rewind(position, &head);
            }
        }
        Ok(batch.done())
    }

    /// Shows the next payloads that are safe to `visit`, of all streams, until it breaks off: then the next read begins
    /// with the payload that it broke off at. The same after an error with the one that could not be read.
    pub fn visit(&mut self, mut visit: impl FnMut(Arrival<'_>) -> ControlFlow<()>) -> io::Result<()> {
        loop {
            let Some((position, head)) = self.record().inspect_err(|_| self.cursor = None)? else {
                return Ok(());
            };
            let Some(Cursor { walk, .. }) = &mut self.cursor else {
                return Ok(());
            };
            let (next, time) = (self.next, head.time);
            let broken_off = (head.first..)
                .zip(record::payloads(walk.body()))
                .filter(|(number, _)| *number >= next)
                .find(|&(number, bytes)| visit(Arrival { number, time, bytes }).is_break())
                .map(|(number, _)| number);
            if let Some(number) = broken_off {
                self.next = number;
                walk.rewind(position, &head);
                return Ok(());
            }
            self.next = head.last() + 1;
        }
    }

    /// Shows the records with keys to `visit`, from here to the end, landed ones that are still there among them.
    pub fn keys(&mut self, mut visit: impl FnMut(Keyed)) -> io::Result<()> {
        while let Some((_, head)) = self.record()? {
            self.next = head.last() + 1;
            if let Some(key) = head.key {
                visit(Keyed {
                    key,
                    stream: head.stream,
                    first: head.first,
                    last: head.last(),
                    time: head.time,
                });
            }
        }
        Ok(())
    }

    /// Which numbers to take, if any; skips what lies before them.
    fn wanted(&mut self, query: &Query) -> Option<Vec<Range>> {
        let state = self.shared.state();
        let wanted = if query.open {
            state.backlog.open_from(self.next, query.stream, query.max_payloads)
        } else {
            vec![Range {
                stream: 0,
                first: self.next,
                last: query.last,
            }]
        };
        let first = wanted.first()?.first;
        let holding = state.segments.range(..=first).next_back().map(|(segment, _)| *segment);
        drop(state);
        if first > self.next {
            self.next = first;
            self.cursor.take_if(|cursor| Some(cursor.segment) != holding);
        }
        (first <= query.last).then_some(wanted)
    }

    /// The next record with a number from `next` on.
    fn record(&mut self) -> io::Result<Option<(u64, Head)>> {
        while self.enter()? {
            let Some(cursor) = &mut self.cursor else {
                break;
            };
            match cursor.walk.next(&*cursor.file)? {
                Some(Found::Record { position, head }) if head.last() >= self.next => {
                    return Ok(Some((position, head)));
                }
                Some(Found::Hole { .. }) => self.shared.state().counts.holes += 1,
                None if !self.leave() => break,
                Some(Found::Record { .. }) | None => {}
            }
        }
        Ok(None)
    }

    /// Opens the segment that `next` is in, or the first one after it, or takes in how much there is of the open one.
    fn enter(&mut self) -> io::Result<bool> {
        if let Some(cursor) = &mut self.cursor {
            if let Some(extent) = self.shared.state().segments.get(&cursor.segment) {
                cursor.walk.extend(extent.end);
            }
            return Ok(true);
        }
        loop {
            let holding = self.shared.state().holding(self.next);
            let Some((first, extent)) = holding else {
                return Ok(false);
            };
            match self.shared.disk.open(&self.shared.path_of(first)) {
                // All of it has landed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.next = self.next.max(extent.last + 1),
                opened => {
                    self.cursor = Some(Cursor {
                        segment: first,
                        file: opened?,
                        walk: Walk::new(extent.salt, first, START, extent.end),
                    });
                    return Ok(true);
                }
            }
        }
    }

    /// Leaves a segment that is read to its end, if there is a later one. Whether there may be more to read.
    fn leave(&mut self) -> bool {
        let state = self.shared.state();
        let Some(Cursor { segment, walk, .. }) = &self.cursor else {
            return false;
        };
        // It may have grown and been left by the writer since it was looked at.
        if state
            .segments
            .get(segment)
            .is_some_and(|extent| extent.end > walk.end())
        {
            return true;
        }
        let Some((&next, _)) = state.segments.range(*segment + 1..).next() else {
            return false;
        };
        self.next = self.next.max(next);
        self.cursor = None;
        true
    }
}
