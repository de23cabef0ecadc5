//! Lines that came too late for their place: a side file has each with its offset in the main one, `OFFSET;LINE`.

use std::{collections::BinaryHeap, io::Result};

use memchr::{memchr, memchr_iter};

use super::{page::Ask, pieces::Pieces, place::Place};
use crate::logs::line::Format;

/// Offsets of all late lines, and the earliest and the latest of their times.
pub(super) type Survey = (Vec<u64>, Option<(i64, i64)>);

pub(super) fn survey(side: &Pieces<'_>, format: &Format) -> Result<Survey> {
    let (mut offsets, mut times) = (Vec::new(), None);
    let mut lines = Vec::new();
    for piece in 0..side.count() {
        side.read(piece, &mut lines)?;
        let mut start = 0;
        for end in memchr_iter(b'\n', &lines) {
            if let Some((offset, line)) = split(&lines[start..end]) {
                offsets.push(offset);
                if let Some(time) = format.time_of(line) {
                    let (first, last) = times.unwrap_or((time, time));
                    times = Some((time.min(first), time.max(last)));
                }
            }
            start = end + 1;
        }
    }
    offsets.sort_unstable();
    Ok((offsets, times))
}

/// Offsets of all late lines.
pub(super) fn offsets(side: Option<&Pieces<'_>>) -> Result<Vec<u64>> {
    let (mut offsets, mut lines) = (Vec::new(), Vec::new());
    for piece in 0..side.map_or(0, Pieces::count) {
        if let Some(side) = side {
            side.read(piece, &mut lines)?;
        }
        let found = lines.split(|byte| *byte == b'\n').filter_map(split);
        offsets.extend(found.map(|(offset, _)| offset));
    }
    offsets.sort_unstable();
    Ok(offsets)
}

/// A late line and where it is.
fn split(line: &[u8]) -> Option<(u64, &[u8])> {
    let (offset, rest) = line.split_at_checked(memchr(b';', line)?)?;
    let offset = std::str::from_utf8(offset).ok()?.parse().ok()?;
    Some((offset, rest.get(1..)?))
}

/// The late lines that are told first, as many as make a page.
#[derive(Default)]
pub(super) struct Late {
    lines: BinaryHeap<(Place, Vec<u8>)>,
    bytes: usize,
}

impl Late {
    /// Takes from a side file what is asked for.
    pub(super) fn gather(&mut self, ask: &Ask<'_>, file: u32, side: &Pieces<'_>) -> Result<()> {
        let mut lines = Vec::new();
        for piece in 0..side.count() {
            ask.check()?;
            side.read(piece, &mut lines)?;
            for (start, end) in ask.needle.spans(&lines) {
                let Some((offset, line)) = split(&lines[start..end]) else {
                    continue;
                };
                if let Some(rank) = ask.wants(file, offset, line) {
                    self.insert(ask, rank, line);
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, ask: &Ask<'_>, rank: Place, line: &[u8]) {
        self.bytes += line.len();
        self.lines.push((rank, line.to_vec()));
        // What is dropped would not be on the page: the others fill it.
        while let Some((_, last)) = self.lines.peek() {
            let fewer = self.bytes - last.len();
            if self.lines.len() <= ask.limit && fewer < ask.max_bytes {
                return;
            }
            self.bytes = fewer;
            self.lines.pop();
        }
    }

    /// What is told first comes last.
    pub(super) fn into_stack(self) -> Vec<(Place, Vec<u8>)> {
        let mut lines = self.lines.into_sorted_vec();
        lines.reverse();
        lines
    }
}
