//! Reads what is safe, in order of the numbers, without an index.
//!
//! A reader remembers where in which segment it is. A read hands out payloads as [`Slice`]s: those of one stream and
//! one span of time together, because that is what becomes one object. Holes that a disk made since the journal was
//! opened are passed over and counted.

use std::{io, sync::Arc, time::Duration};

use super::{
    backlog::Range,
    disk::File,
    record::{self, Head, Key},
    scan::{Found, Walk},
    segment::START,
    state::Shared,
};

/// What to read, and how much at most.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// At least one payload is read, if there is one, and then none that would make it more than this.
    pub max_payloads: u64,
    pub max_bytes: usize,
    /// The last number to read.
    pub last: u64,
    /// Of this stream only.
    pub stream: Option<u16>,
    /// Only what is neither sealed nor landed.
    pub open: bool,
    /// Payloads of one slice are from the same span of time; spans are counted from 1970. Zero: one span.
    pub span: Duration,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            max_payloads: 10_000,
            max_bytes: 4 << 20,
            last: u64::MAX,
            stream: None,
            open: false,
            span: Duration::ZERO,
        }
    }
}

/// One payload of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    pub number: u64,
    pub bytes: &'a [u8],
}

/// Payloads of one stream and one span of time, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    pub stream: u16,
    /// Milliseconds since 1970 at which the first of them was appended.
    pub time: u64,
    /// All payloads, a line feed behind each.
    pub lines: Vec<u8>,
    /// Each payload's number, and where its line ends.
    marks: Vec<(u64, usize)>,
    span: u64,
    closed: bool,
}

impl Slice {
    pub fn first(&self) -> u64 {
        self.marks.first().map_or(0, |(number, _)| *number)
    }

    pub fn last(&self) -> u64 {
        self.marks.last().map_or(0, |(number, _)| *number)
    }

    /// How many payloads there are.
    pub fn count(&self) -> usize {
        self.marks.len()
    }

    pub fn payloads(&self) -> impl Iterator<Item = Payload<'_>> {
        let starts = std::iter::once(0).chain(self.marks.iter().map(|(_, end)| *end));
        self.marks.iter().zip(starts).map(|((number, end), start)| Payload {
            number: *number,
            bytes: &self.lines[start..end - 1],
        })
    }

    fn push(&mut self, number: u64, payload: &[u8]) {
        self.lines.extend_from_slice(payload);
        self.lines.push(b'\n');
        self.marks.push((number, self.lines.len()));
    }
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
        let from = self.next;
        self.gather(query).inspect_err(|_| {
            self.next = from;
            self.cursor = None;
        })
    }

    fn gather(&mut self, query: &Query) -> io::Result<Vec<Slice>> {
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
        Ok(batch.slices)
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

/// What a read has gathered.
struct Batch<'a> {
    query: &'a Query,
    /// Numbers to take, in order; the stream in it does not matter.
    wanted: Vec<Range>,
    /// The last number to take.
    limit: u64,
    slices: Vec<Slice>,
    payloads: u64,
    bytes: usize,
    full: bool,
}

impl<'a> Batch<'a> {
    fn new(query: &'a Query, wanted: Vec<Range>) -> Self {
        Self {
            query,
            limit: wanted.last().map_or(0, |range| range.last.min(query.last)),
            wanted,
            slices: Vec::new(),
            payloads: 0,
            bytes: 0,
            full: false,
        }
    }

    /// Takes what is wanted of a record, from number `from` on; the number from which to go on.
    fn take(&mut self, head: &Head, body: &[u8], from: u64) -> u64 {
        for (number, payload) in (head.first..).zip(record::payloads(body)) {
            if number > self.limit {
                self.full = true;
                return number;
            }
            if number < from {
                continue;
            }
            if !self.wants(number, head.stream) {
                self.close_slices(head.stream);
                continue;
            }
            let more = self.payloads > 0;
            let over = self.payloads >= self.query.max_payloads || self.bytes + payload.len() >= self.query.max_bytes;
            if more && over {
                self.full = true;
                return number;
            }
            self.payloads += 1;
            self.bytes += payload.len() + 1;
            self.slice(head).push(number, payload);
        }
        head.last() + 1
    }

    fn wants(&self, number: u64, stream: u16) -> bool {
        let at = self.wanted.partition_point(|range| range.last < number);
        self.wanted.get(at).is_some_and(|range| range.first <= number)
            && self.query.stream.is_none_or(|wanted| wanted == stream)
    }

    /// What comes of this stream later is another slice: a slice can be sealed by its first and last number only if it
    /// has all of its stream in between.
    fn close_slices(&mut self, stream: u16) {
        for slice in self.slices.iter_mut().filter(|slice| slice.stream == stream) {
            slice.closed = true;
        }
    }

    fn slice(&mut self, head: &Head) -> &mut Slice {
        let millis = (self.query.span.as_millis() as u64).max(1);
        let span = if self.query.span.is_zero() {
            0
        } else {
            head.time / millis
        };
        let same = |slice: &Slice| slice.stream == head.stream && slice.span == span && !slice.closed;
        let at = self.slices.iter().position(same).unwrap_or_else(|| {
            self.close_slices(head.stream);
            self.slices.push(Slice {
                stream: head.stream,
                time: head.time,
                lines: Vec::new(),
                marks: Vec::new(),
                span,
                closed: false,
            });
            self.slices.len() - 1
        });
        &mut self.slices[at]
    }
}
