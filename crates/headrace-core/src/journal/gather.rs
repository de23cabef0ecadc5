//! What a read gathers: payloads of one stream and one span of time together, because that is what becomes one object.

use std::time::Duration;

use super::{
    backlog::Range,
    record::{self, Head},
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

/// Payloads of one stream and one span of time, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub stream: u16,
    /// Milliseconds since 1970 at which the first of them was appended.
    pub time: u64,
    pub first: u64,
    pub last: u64,
    pub count: u64,
    /// Bytes of all payloads, a line feed behind each.
    pub size: u64,
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
}

/// What becomes of payloads that belong together.
pub(super) trait Gathered {
    /// Nothing yet of the stream and the time of a record.
    fn begin(head: &Head) -> Self;
    fn push(&mut self, number: u64, payload: &[u8]);
}

impl Gathered for Span {
    fn begin(head: &Head) -> Self {
        Self {
            stream: head.stream,
            time: head.time,
            first: 0,
            last: 0,
            count: 0,
            size: 0,
        }
    }

    fn push(&mut self, number: u64, payload: &[u8]) {
        if self.count == 0 {
            self.first = number;
        }
        self.last = number;
        self.count += 1;
        self.size += payload.len() as u64 + 1;
    }
}

impl Gathered for Slice {
    fn begin(head: &Head) -> Self {
        Self {
            stream: head.stream,
            time: head.time,
            lines: Vec::new(),
            marks: Vec::new(),
        }
    }

    fn push(&mut self, number: u64, payload: &[u8]) {
        self.lines.extend_from_slice(payload);
        self.lines.push(b'\n');
        self.marks.push((number, self.lines.len()));
    }
}

/// Payloads that are being gathered.
struct Open<T> {
    stream: u16,
    span: u64,
    closed: bool,
    payloads: T,
}

/// What a read has gathered.
pub(super) struct Batch<'a, T> {
    query: &'a Query,
    /// Numbers to take, in order; the stream in it does not matter.
    wanted: Vec<Range>,
    /// The last number to take.
    limit: u64,
    slices: Vec<Open<T>>,
    payloads: u64,
    bytes: usize,
    pub(super) full: bool,
}

impl<'a, T: Gathered> Batch<'a, T> {
    pub(super) fn new(query: &'a Query, wanted: Vec<Range>) -> Self {
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

    pub(super) fn done(self) -> Vec<T> {
        self.slices.into_iter().map(|open| open.payloads).collect()
    }

    /// Takes what is wanted of a record, from number `from` on; the number from which to go on.
    pub(super) fn take(&mut self, head: &Head, body: &[u8], from: u64) -> u64 {
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

    fn slice(&mut self, head: &Head) -> &mut T {
        let millis = (self.query.span.as_millis() as u64).max(1);
        let span = if self.query.span.is_zero() {
            0
        } else {
            head.time / millis
        };
        let same = |slice: &Open<T>| slice.stream == head.stream && slice.span == span && !slice.closed;
        let at = self.slices.iter().position(same).unwrap_or_else(|| {
            self.close_slices(head.stream);
            self.slices.push(Open {
                stream: head.stream,
                span,
                closed: false,
                payloads: T::begin(head),
            });
            self.slices.len() - 1
        });
        &mut self.slices[at].payloads
    }
}
