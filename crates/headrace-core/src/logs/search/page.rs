//! What is asked, and one page of the answer: the files' streams and the late lines, merged.
//!
//! A page ends when it is full, or when its time is over: then the cursor is where the looking stopped, so that the next
//! page goes on from there, however rare the entries are.

use std::{
    io::{Error, ErrorKind, Result},
    time::Instant,
};

use super::{
    DEFAULT_LIMIT, Query, Search,
    files::Found,
    late::Late,
    place::{Cursor, Order, Place},
    stream::{Head, Stream},
};
use crate::logs::{
    filter::{Filter, Needle},
    line::{Format, Stamp},
};

/// One page of entries.
#[derive(Debug, Default)]
pub struct Page {
    /// JSON objects, each on its own line.
    pub entries: Vec<u8>,
    pub count: usize,
    /// Where the next page begins; none when there is nothing more.
    pub next: Option<Cursor>,
    /// Names of files that should be searched and cannot be read.
    pub unreadable: Vec<String>,
}

/// A question as those who read the files need it.
pub(super) struct Ask<'a> {
    pub(super) format: &'a Format,
    pub(super) needle: Needle,
    pub(super) order: Order,
    pub(super) limit: usize,
    pub(super) max_bytes: usize,
    /// The place before that of the first entry.
    pub(super) after: Option<Place>,
    filter: &'a Filter,
    deadline: Instant,
    unwanted: &'a dyn Fn() -> bool,
}

impl Ask<'_> {
    /// The rank of a line's entry, if it is asked for.
    pub(super) fn wants(&self, file: u32, offset: u64, line: &[u8]) -> Option<Place> {
        let time = self.format.time_of(line)?;
        let rank = self.order.rank(Place { time, file, offset });
        if !self.filter.wants_time(time) || !self.is_new(rank) {
            return None;
        }
        let read = self.format.read(line)?;
        self.filter.wants(&read.as_entry()).then_some(rank)
    }

    fn is_new(&self, rank: Place) -> bool {
        self.after.is_none_or(|after| rank > self.order.rank(after))
    }

    /// Entries that are asked for are not before this.
    pub(super) fn earliest(&self) -> i64 {
        let after = self.after.filter(|_| self.order == Order::OldestFirst);
        after.map_or(i64::MIN, |after| after.time).max(self.filter.earliest())
    }

    /// They are before this.
    pub(super) fn until(&self) -> i64 {
        let after = self.after.filter(|_| self.order == Order::NewestFirst);
        after
            .map_or(i64::MAX, |after| after.time.saturating_add(1))
            .min(self.filter.until)
    }

    /// Whether an entry that is asked for can still come at or behind `time`.
    pub(super) fn may_reach(&self, time: i64) -> bool {
        match self.order {
            Order::OldestFirst => time < self.until(),
            Order::NewestFirst => time >= self.earliest(),
        }
    }

    fn overlaps(&self, times: Option<(i64, i64)>) -> bool {
        times.is_some_and(|(first, last)| first < self.until() && last >= self.earliest())
    }

    /// Whether the page shall end at `rank`: its time is over, and it came further than the one before.
    pub(super) fn is_over(&self, rank: Place) -> bool {
        self.is_new(rank) && Instant::now() >= self.deadline
    }

    /// Fails when nobody waits for the answer any more.
    pub(super) fn check(&self) -> Result<()> {
        match (self.unwanted)() {
            true => Err(Error::new(ErrorKind::ConnectionAborted, "nobody waits for it")),
            false => Ok(()),
        }
    }
}

impl Search {
    /// One page of what `query` asks for. Gives up, with an error, once `unwanted` says that nobody waits for it.
    pub fn page(&self, query: &Query, unwanted: &dyn Fn() -> bool) -> Result<Page> {
        let (mut files, unreadable) = self.folder.find(&self.format, &self.read)?;
        self.folder.forget(&files);
        let ask = Ask {
            format: &self.format,
            needle: query.filter.needle(),
            order: query.order,
            limit: query.limit.unwrap_or(DEFAULT_LIMIT).max(1),
            max_bytes: query.max_bytes,
            after: query.after.map(|cursor| resolve(cursor, query.order, &files)),
            filter: &query.filter,
            deadline: Instant::now() + query.patience,
            unwanted,
        };
        let mut merge = Merge::new(&ask, &mut files, unreadable);
        merge.gather_late()?;
        let last = merge.run()?;
        let next = last.map(|rank| cursor_of(ask.order.rank(rank), merge.files));
        Ok(Page { next, ..merge.page })
    }
}

/// The place of a cursor in this search.
fn resolve(cursor: Cursor, order: Order, files: &[Found<'_>]) -> Place {
    let Cursor { time, offset, .. } = cursor;
    let is_it = |found: &Found<'_>| found.extent.id == cursor.file;
    // Should two files begin with the same line, entries of that very time may be left out, but none is told again.
    let file = match order {
        Order::OldestFirst => files.iter().rposition(is_it),
        Order::NewestFirst => files.iter().position(is_it),
    };
    match (file, order) {
        (Some(file), _) => Place {
            time,
            file: file as u32,
            offset,
        },
        // Files go oldest first: what is left of the same time came after it.
        (None, Order::OldestFirst) => Place {
            time: time.saturating_sub(1),
            file: u32::MAX,
            offset: u64::MAX,
        },
        (None, Order::NewestFirst) => Place {
            time,
            file: 0,
            offset: 0,
        },
    }
}

fn cursor_of(place: Place, files: &[Found<'_>]) -> Cursor {
    let Place { time, file, offset } = place;
    let file = files.get(file as usize).map_or(0, |found| found.extent.id);
    Cursor { time, file, offset }
}

struct Merge<'s, 'a> {
    ask: &'s Ask<'s>,
    files: &'s mut [Found<'a>],
    /// Files to open when it is their turn, which comes by rank; the next one last.
    pending: Vec<(Place, u32)>,
    streams: Vec<Stream<'a>>,
    /// The next one last.
    late: Vec<(Place, Vec<u8>)>,
    bytes: usize,
    page: Page,
}

/// Which of the sources comes next.
enum Source {
    Late,
    Stream(usize),
}

impl<'s, 'a> Merge<'s, 'a> {
    fn new(ask: &'s Ask<'s>, files: &'s mut [Found<'a>], unreadable: Vec<String>) -> Self {
        let mut pending = Vec::new();
        for (file, found) in (0..).zip(files.iter()) {
            if let Some((first, last)) = found.extent.times.filter(|times| ask.overlaps(Some(*times))) {
                let nearest = match ask.order {
                    Order::OldestFirst => Place {
                        time: first,
                        file,
                        offset: 0,
                    },
                    Order::NewestFirst => Place {
                        time: last,
                        file,
                        offset: u64::MAX,
                    },
                };
                pending.push((ask.order.rank(nearest), file));
            }
        }
        pending.sort_unstable_by(|a, b| b.cmp(a));
        let page = Page {
            unreadable,
            ..Page::default()
        };
        Self {
            ask,
            files,
            pending,
            streams: Vec::new(),
            late: Vec::new(),
            bytes: 0,
            page,
        }
    }

    fn gather_late(&mut self) -> Result<()> {
        let mut late = Late::default();
        for (file, found) in (0..).zip(self.files.iter_mut()) {
            if self.ask.overlaps(found.extent.late) {
                let gathered = found.look_aside(|side| late.gather(self.ask, file, side));
                note(gathered, found, &mut self.page)?;
            }
        }
        self.late = late.into_stack();
        Ok(())
    }

    /// Fills the page; the rank at which it was cut, if it was.
    fn run(&mut self) -> Result<Option<Place>> {
        loop {
            let next = self.next();
            if let Some((due, file)) = self.pending.last().copied()
                && next.as_ref().is_none_or(|(rank, _)| due <= *rank)
            {
                self.pending.pop();
                self.open(file)?;
                continue;
            }
            let Some((rank, source)) = next else {
                return Ok(None);
            };
            match source {
                Source::Late => {
                    let line = self.late.pop().map(|(_, line)| line).unwrap_or_default();
                    tell(&mut self.page, self.ask.format, &line);
                    self.bytes += line.len();
                }
                Source::Stream(at) => match self.streams[at].head.take() {
                    Some(Head::Entry(_, span)) => {
                        let line = self.streams[at].line(span);
                        tell(&mut self.page, self.ask.format, line);
                        self.bytes += line.len();
                        if !self.is_full(1) {
                            self.advance(at)?;
                        }
                    }
                    _ => return Ok(Some(rank)),
                },
            }
            self.page.count += 1;
            if self.is_full(0) {
                return Ok(Some(rank));
            }
        }
    }

    fn is_full(&self, more: usize) -> bool {
        self.page.count + more >= self.ask.limit || self.bytes >= self.ask.max_bytes
    }

    fn next(&self) -> Option<(Place, Source)> {
        let late = self.late.last().map(|(rank, _)| (*rank, Source::Late));
        let streams = self.streams.iter().enumerate().filter_map(|(at, stream)| {
            let rank = stream.head.as_ref().and_then(Head::rank)?;
            Some((rank, Source::Stream(at)))
        });
        streams.chain(late).min_by_key(|(rank, _)| *rank)
    }

    fn open(&mut self, file: u32) -> Result<()> {
        let found = &mut self.files[file as usize];
        let opened = found.open();
        let stream = opened.and_then(|opened| opened.map(|opened| Stream::open(opened, file, self.ask)).transpose());
        if let Some(Some(stream)) = note(stream, found, &mut self.page)? {
            self.streams.push(stream);
            self.advance(self.streams.len() - 1)?;
        }
        Ok(())
    }

    fn advance(&mut self, at: usize) -> Result<()> {
        let stream = &mut self.streams[at];
        let advanced = stream.advance(self.ask);
        let found = &self.files[stream.file as usize];
        let ended = note(advanced, found, &mut self.page)?.is_none() || matches!(stream.head, Some(Head::End));
        if ended {
            self.streams.swap_remove(at);
        }
        Ok(())
    }
}

/// A file that cannot be read is named, and the others are searched.
fn note<T>(result: Result<T>, found: &Found<'_>, page: &mut Page) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::ConnectionAborted => Err(error),
        Err(_) => {
            page.unreadable.push(found.name());
            Ok(None)
        }
        Ok(value) => Ok(Some(value)),
    }
}

fn tell(page: &mut Page, format: &Format, line: &[u8]) {
    if let Some(read) = format.read(line) {
        Format::JSON.write(&read.as_entry(), &mut Stamp::default(), &mut page.entries);
    }
}
