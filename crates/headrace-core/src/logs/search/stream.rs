//! The lines of one file that are in order, from a time on, in either direction.
//!
//! Where to begin is found by halving: the first line in order of each piece that is probed tells its time.

use std::{io::Result, ops::Range};

use memchr::memrchr;

use super::{
    files::Opened,
    late,
    page::Ask,
    pieces::Pieces,
    place::{Order, Place},
};
use crate::logs::line::Format;

pub(super) struct Stream<'a> {
    main: Pieces<'a>,
    /// Offsets of the lines to pass over, ascending.
    late: Vec<u64>,
    pub(super) file: u32,
    /// The piece to read next.
    next: Option<usize>,
    lines: Vec<u8>,
    /// Where `lines` begins in the file.
    start: u64,
    /// Lines of this piece that are still to be looked at, the next one last.
    spans: Vec<(usize, usize)>,
    pub(super) head: Option<Head>,
}

/// What a stream has to offer next.
#[derive(Debug, Clone)]
pub(super) enum Head {
    /// An entry that is asked for: its rank, and where the line is.
    Entry(Place, Range<usize>),
    /// The time for this page is over, and all is looked at up to here.
    Paused(Place),
    End,
}

impl Head {
    /// What does not come before this rank can wait.
    pub(super) fn rank(&self) -> Option<Place> {
        match self {
            Self::Entry(rank, _) | Self::Paused(rank) => Some(*rank),
            Self::End => None,
        }
    }
}

impl<'a> Stream<'a> {
    pub(super) fn open(opened: Opened<'a>, file: u32, ask: &Ask<'_>) -> Result<Self> {
        let Opened { main, side } = opened;
        let late = late::offsets(side.as_ref())?;
        let next = begin(&main, &late, file, ask)?;
        Ok(Self {
            main,
            late,
            file,
            next,
            lines: Vec::new(),
            start: 0,
            spans: Vec::new(),
            head: None,
        })
    }

    pub(super) fn line(&self, at: Range<usize>) -> &[u8] {
        self.lines.get(at).unwrap_or_default()
    }

    /// Finds the next head.
    pub(super) fn advance(&mut self, ask: &Ask<'_>) -> Result<()> {
        let head = loop {
            if let Some((start, end)) = self.spans.pop() {
                let offset = self.start + start as u64;
                if self.late.binary_search(&offset).is_ok() {
                    continue;
                }
                if let Some(rank) = ask.wants(self.file, offset, &self.lines[start..end]) {
                    break Head::Entry(rank, start..end);
                }
                continue;
            }
            if let Some(rank) = self.last_in_piece(ask).filter(|rank| ask.is_over(*rank)) {
                break Head::Paused(rank);
            }
            let Some(piece) = self.next else {
                break Head::End;
            };
            if !self.load(piece, ask)? {
                break Head::End;
            }
        };
        self.head = Some(head);
        Ok(())
    }

    /// Reads a piece; whether something in it may be asked for.
    fn load(&mut self, piece: usize, ask: &Ask<'_>) -> Result<bool> {
        ask.check()?;
        self.start = self.main.read(piece, &mut self.lines)?;
        self.spans = ask.needle.spans(&self.lines);
        self.next = match ask.order {
            Order::OldestFirst => {
                self.spans.reverse();
                Some(piece + 1).filter(|next| *next < self.main.count())
            }
            Order::NewestFirst => piece.checked_sub(1),
        };
        Ok(self.nearest(ask).is_none_or(|time| ask.may_reach(time)))
    }

    /// The time at that end of the piece at which its reading begins.
    fn nearest(&self, ask: &Ask<'_>) -> Option<i64> {
        let found = match ask.order {
            Order::OldestFirst => first(&self.lines, self.start, &self.late, ask.format),
            Order::NewestFirst => last(&self.lines, self.start, &self.late, ask.format),
        };
        found.map(|(time, _)| time)
    }

    /// The rank of the line that is read last of this piece.
    fn last_in_piece(&self, ask: &Ask<'_>) -> Option<Place> {
        let found = match ask.order {
            Order::OldestFirst => last(&self.lines, self.start, &self.late, ask.format),
            Order::NewestFirst => first(&self.lines, self.start, &self.late, ask.format),
        };
        let file = self.file;
        found.map(|(time, offset)| ask.order.rank(Place { time, file, offset }))
    }
}

/// The piece to begin with.
fn begin(main: &Pieces<'_>, late: &[u64], file: u32, ask: &Ask<'_>) -> Result<Option<usize>> {
    let time = match ask.order {
        Order::OldestFirst => ask.earliest(),
        Order::NewestFirst => ask.until(),
    };
    let before = first_piece_from(main, late, ask.format, time)?;
    let by_time = match ask.order {
        Order::OldestFirst => Some(before.saturating_sub(1)).filter(|piece| *piece < main.count()),
        Order::NewestFirst => before.checked_sub(1),
    };
    // Many pieces may be of the cursor's time; those that were told are passed over. Where a late line is says nothing
    // about lines in order.
    let is_here = |after: &Place| after.file == file && late.binary_search(&after.offset).is_err();
    let (Some(begin), Some(after)) = (by_time, ask.after.filter(is_here)) else {
        return Ok(by_time);
    };
    let known = main.holding(after.offset);
    let is_of_time = |piece| starts(main, late, ask.format, piece).map(|starts| starts == Some(after.time));
    Ok(Some(match ask.order {
        Order::OldestFirst if (begin + 1..main.count()).contains(&known) && is_of_time(known)? => known,
        Order::NewestFirst if known < begin && is_of_time(known + 1)? => known,
        _ => begin,
    }))
}

/// The time of the first line in order of a piece.
fn starts(main: &Pieces<'_>, late: &[u64], format: &Format, piece: usize) -> Result<Option<i64>> {
    let mut lines = Vec::new();
    let start = main.read(piece, &mut lines)?;
    Ok(first(&lines, start, late, format).map(|(time, _)| time))
}

/// The number of pieces whose first line in order is before `time`.
fn first_piece_from(main: &Pieces<'_>, late: &[u64], format: &Format, time: i64) -> Result<usize> {
    let (mut low, mut high) = (0, main.count());
    while low < high {
        let middle = low.midpoint(high);
        // Where a piece has no line in order, the next one that has tells.
        let mut probe = middle;
        let found = loop {
            if probe == high {
                break None;
            }
            match starts(main, late, format, probe)? {
                Some(found) => break Some(found),
                None => probe += 1,
            }
        };
        match found {
            Some(found) if found < time => low = probe + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Checksum of the first line, and first and last time of the lines that are in order.
pub(super) fn span(main: &Pieces<'_>, late: &[u64], format: &Format) -> Result<(u32, Option<(i64, i64)>)> {
    let mut lines = Vec::new();
    let mut id = 0;
    for piece in 0..main.count() {
        let start = main.read(piece, &mut lines)?;
        if piece == 0 {
            id = crc32c::crc32c(lines.split(|byte| *byte == b'\n').next().unwrap_or_default());
        }
        if let Some((earliest, _)) = first(&lines, start, late, format) {
            let latest = latest(main, piece, late, format)?.unwrap_or(earliest);
            return Ok((id, Some((earliest, latest))));
        }
    }
    Ok((id, None))
}

/// The last time in the pieces from `least` on.
fn latest(main: &Pieces<'_>, least: usize, late: &[u64], format: &Format) -> Result<Option<i64>> {
    let mut lines = Vec::new();
    for piece in (least..main.count()).rev() {
        let start = main.read(piece, &mut lines)?;
        if let Some((time, _)) = last(&lines, start, late, format) {
            return Ok(Some(time));
        }
    }
    Ok(None)
}

/// Time and offset of the first line that is in order.
fn first(lines: &[u8], start: u64, late: &[u64], format: &Format) -> Option<(i64, u64)> {
    let mut at = 0;
    for end in memchr::memchr_iter(b'\n', lines) {
        if let Some(found) = in_order(&lines[at..end], start + at as u64, late, format) {
            return Some(found);
        }
        at = end + 1;
    }
    None
}

/// Time and offset of the last one.
fn last(lines: &[u8], start: u64, late: &[u64], format: &Format) -> Option<(i64, u64)> {
    let mut end = lines.len().checked_sub(1)?;
    loop {
        let at = memrchr(b'\n', &lines[..end]).map_or(0, |before| before + 1);
        if let Some(found) = in_order(&lines[at..end], start + at as u64, late, format) {
            return Some(found);
        }
        end = at.checked_sub(1)?;
    }
}

fn in_order(line: &[u8], offset: u64, late: &[u64], format: &Format) -> Option<(i64, u64)> {
    match late.binary_search(&offset) {
        Ok(_) => None,
        Err(_) => format.time_of(line).map(|time| (time, offset)),
    }
}
