//! A walk over a file of records, whatever became of the file.
//!
//! It goes forward only, holds one record and a piece of the file at most, and always ends. Where no whole record is,
//! it looks for the next one at every place where one may begin; only a head whose CRC fits counts, so no byte is read
//! more than a few times.
//!
//! Damage or a torn write? The last write of a crashed process may lie on the disk in pieces; nothing of it was
//! acknowledged. Everything before it was safe, so a hole there is damage. Each record says where the write
//! began that it was part of: the highest such place in a file is the [`horizon`]. Before it holes are damage and what
//! follows them counts; from there on the first hole ends the file.

use std::io;

use super::{
    disk::File,
    record::{ALIGNMENT, Head, LONG},
};

/// How much is read from the disk at once.
const PIECE: usize = 256 * 1024;

/// What a walk finds, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole record that begins at `position`; [`Walk::body`] has its bytes.
    Record { position: u64, head: Head },
    /// No whole record from `from` to `to`, and only zeros from `blank` on.
    Hole { from: u64, to: u64, blank: u64 },
}

#[derive(Debug)]
pub(super) struct Walk {
    salt: u32,
    /// Records with a lower number are not the next ones.
    least: u64,
    position: u64,
    end: u64,
    window: Vec<u8>,
    /// Where in the file the window begins.
    start: u64,
    /// Where the current record's body is in the window.
    body: std::ops::Range<usize>,
    /// A record that was found behind a hole and not told yet.
    found: Option<(u64, Head)>,
}

impl Walk {
    /// From `position` to `end` at most; `least` is the number of the first payload that may come.
    pub(super) fn new(salt: u32, least: u64, position: u64, end: u64) -> Self {
        Self {
            salt,
            least,
            position,
            end,
            window: Vec::new(),
            start: position,
            body: 0..0,
            found: None,
        }
    }

    /// Where it ends for now.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// There is more of the file now.
    pub(super) fn extend(&mut self, end: u64) {
        self.end = self.end.max(end);
    }

    /// The record at `position`, which was the last one found, is to be found again.
    pub(super) fn rewind(&mut self, position: u64, head: &Head) {
        self.position = position;
        self.least = head.first;
    }

    /// The body of the record that was found last.
    pub(super) fn body(&self) -> &[u8] {
        self.window.get(self.body.clone()).unwrap_or_default()
    }

    /// The next record or hole; `None` at the end.
    pub(super) fn next(&mut self, file: &dyn File) -> io::Result<Option<Found>> {
        if let Some((position, head)) = self.found.take() {
            return Ok(Some(Found::Record { position, head }));
        }
        let from = self.position;
        let mut blank = from;
        while self.position < self.end {
            let position = self.position;
            if let Some(head) = self.take_record(file, &mut blank)? {
                if position == from {
                    return Ok(Some(Found::Record { position, head }));
                }
                self.found = Some((position, head));
                return Ok(Some(Found::Hole {
                    from,
                    to: position,
                    blank,
                }));
            }
        }
        let to = self.end;
        Ok((from < to).then_some(Found::Hole { from, to, blank }))
    }

    /// The record at this place, if a whole one is here. Moves on in any case.
    fn take_record(&mut self, file: &dyn File, blank: &mut u64) -> io::Result<Option<Head>> {
        let salt = self.salt;
        let bytes = self.view(file, LONG)?;
        // A head's first 16 bytes are never all zero; most of what is no head is.
        let zero = bytes.iter().take(16).all(|byte| *byte == 0);
        let Some(head) = Some(bytes).filter(|_| !zero).and_then(|bytes| Head::parse(bytes, salt)) else {
            self.position += ALIGNMENT as u64;
            if !zero {
                *blank = self.position.min(self.end);
            }
            return Ok(None);
        };
        let (least, size, length) = (self.least, head.size(), head.length as usize);
        let bytes = self.view(file, size + length)?;
        let whole = head.first >= least && bytes.get(size..).is_some_and(|body| head.owns(body));
        let body = (self.position - self.start) as usize + size;
        self.body = body..body + length;
        self.position += head.total() as u64;
        if whole {
            self.least = head.last() + 1;
        } else {
            *blank = self.position.min(self.end);
        }
        Ok(whole.then_some(head))
    }

    /// The next `wanted` bytes, or what there is of them.
    fn view(&mut self, file: &dyn File, wanted: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let wanted = wanted.min(left);
        if self.position < self.start || self.position + wanted as u64 > self.start + self.window.len() as u64 {
            self.load(file, wanted.max(PIECE).min(left))?;
        }
        let at = (self.position - self.start) as usize;
        let until = (at + wanted).min(self.window.len());
        Ok(&self.window[at..until])
    }

    /// Puts `length` bytes from the current place into the window.
    fn load(&mut self, file: &dyn File, length: usize) -> io::Result<()> {
        self.window.resize(length, 0);
        self.window.shrink_to(4 * PIECE);
        self.start = self.position;
        let read = file
            .read_at(&mut self.window, self.start)
            .inspect_err(|_| self.window.clear())?;
        // A file that is shorter than it should be reads as zeros: a hole like any other.
        self.window[read..].fill(0);
        Ok(())
    }
}

/// Up to where all was safe before the file's last write, as far as the records themselves tell.
pub(super) fn horizon(file: &dyn File, mut walk: Walk) -> io::Result<u64> {
    let mut horizon = 0;
    while let Some(found) = walk.next(file)? {
        if let Found::Record { position, head } = found {
            horizon = horizon.max(u64::from(head.synced).min(position));
        }
    }
    Ok(horizon)
}

/// What is left of a file of records.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where the records end.
    pub(super) end: u64,
    /// Bytes that were safe once and are not whole records any more, and in how many places.
    pub(super) damaged: u64,
    pub(super) holes: u32,
    /// Bytes of a write that did not come to its end, up to the last one that is not zero.
    pub(super) torn: u64,
}

/// What else is known of a file's records.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    /// They end here.
    End(u64),
    /// Those before this place were safe.
    Safe(u64),
}

/// Shows every record that counts to `visit`.
pub(super) fn examine(
    file: &dyn File,
    mut walk: Walk,
    known: Known,
    mut visit: impl FnMut(u64, &Head, &[u8]),
) -> io::Result<Extent> {
    let length = walk.end;
    let safe = match known {
        Known::End(end) => {
            walk.end = end.min(length);
            end
        }
        Known::Safe(place) => place.max(horizon(
            file,
            Walk::new(walk.salt, walk.least, walk.position, walk.end),
        )?),
    };
    let mut extent = Extent {
        end: walk.position,
        ..Extent::default()
    };
    let mut cut = None;
    while let Some(found) = walk.next(file)? {
        match found {
            Found::Record { position, head } if cut.is_none() => {
                visit(position, &head, walk.body());
                // Zeros behind it may be missing.
                extent.end = walk.position.min(length);
            }
            Found::Record { .. } => extent.torn = walk.position - cut.unwrap_or_default(),
            Found::Hole { from, to, blank } => {
                if from < safe {
                    extent.damaged += to.min(safe) - from;
                    extent.holes += 1;
                    extent.end = to.min(safe);
                }
                if to > safe {
                    let cut = *cut.get_or_insert(from.max(safe));
                    extent.torn = extent.torn.max(blank.saturating_sub(cut));
                }
            }
        }
    }
    if safe > length {
        extent.damaged += safe - length;
        extent.holes += 1;
    }
    Ok(extent)
}
