//! Following: lines in the order in which they were written, from a place in a file on, through rotations.
//!
//! A follower is nothing but a position; the lines it has not seen are in the files. So it costs no memory, misses
//! nothing while it is slow, and goes on where it was after either side was started again.

use std::{fmt, io::Result, os::unix::fs::MetadataExt};

use super::{Search, files::Opened, pieces::Pieces};
use crate::logs::{
    filter::{Filter, Needle},
    line::{Format, Stamp},
};

/// What one step looks at, and tells, at most: others follow too.
const MAX_STEP: usize = 1 << 20;

/// Whoever is further behind is put near the end, and is told so.
const MAX_BEHIND: u64 = 64 << 20;

/// What of the end remains for those.
const REMAINDER: u64 = 1 << 20;

/// How much is looked at for lines from before.
const MAX_BACK: u64 = 64 << 20;

/// The place behind a line; as text, the id of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    file: u32,
    offset: u64,
}

impl Mark {
    pub fn parse(text: &str) -> Option<Self> {
        let (file, offset) = text.split_once('-')?;
        Some(Self {
            file: u32::from_str_radix(file, 16).ok()?,
            offset: u64::from_str_radix(offset, 16).ok()?,
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.file, self.offset)
    }
}

/// Where a follower is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Position {
    /// Of the file that is written, where it is that one.
    inode: u64,
    /// Checksum of the file's first line, once there is one.
    file: Option<u32>,
    offset: u64,
}

impl Position {
    /// What a follower has to show to go on here; none where there is no line yet.
    pub fn mark(&self) -> Option<Mark> {
        let offset = self.offset;
        self.file.map(|file| Mark { file, offset })
    }
}

impl From<Mark> for Position {
    fn from(mark: Mark) -> Self {
        Self {
            inode: 0,
            file: Some(mark.file),
            offset: mark.offset,
        }
    }
}

/// What a follower gets.
#[derive(Debug, Default)]
pub struct Step {
    /// Each entry as a JSON object, and the place behind it.
    pub entries: Vec<(Mark, Vec<u8>)>,
    /// It was too far behind, or its file is gone: not all was told.
    pub missed: bool,
    /// There may be more at once.
    pub more: bool,
}

impl Search {
    /// The end of the log, and up to `last` lines before it that are wanted.
    pub fn end(&self, filter: &Filter, last: usize) -> Result<(Position, Step)> {
        let (mut files, _) = self.folder.find(&self.format, &self.read)?;
        let mut back = Back::new(&self.format, filter, last);
        let mut position = None;
        while let Some(mut found) = files.pop() {
            let Some(Opened { main, .. }) = found.open()? else {
                continue;
            };
            let file = found.extent.id;
            position = match position {
                None => Some(end_of(&main, file)?),
                known => known,
            };
            back.read(&main, file)?;
            if back.is_done() {
                break;
            }
        }
        let step = Step {
            entries: back.in_order(),
            ..Step::default()
        };
        Ok((position.unwrap_or_default(), step))
    }

    /// What was written since `position`, which moves on.
    pub fn follow(&self, position: &mut Position, filter: &Filter) -> Result<Step> {
        let Some(current) = self.folder.open_current(&self.read)? else {
            return Ok(Step::default());
        };
        let inode = inode_of(&current.main)?;
        if position.inode == inode || (position.file.is_none() && position.offset == 0) {
            position.inode = inode;
            return self.read_on(&current.main, position, filter);
        }
        self.follow_rotated(position, filter)
    }

    /// What is behind `position` in a file that is no longer written, then on to the next one.
    fn follow_rotated(&self, position: &mut Position, filter: &Filter) -> Result<Step> {
        let (mut files, _) = self.folder.find(&self.format, &self.read)?;
        let Some(at) = files.iter().position(|found| Some(found.extent.id) == position.file) else {
            *position = Position::default();
            return Ok(Step {
                missed: true,
                more: true,
                ..Step::default()
            });
        };
        let Some(opened) = files[at].open()? else {
            return Ok(Step {
                more: true,
                ..Step::default()
            });
        };
        let step = self.read_on(&opened.main, position, filter)?;
        match files.get(at + 1) {
            _ if step.more => Ok(step),
            Some(next) => {
                let file = Some(next.extent.id).filter(|_| next.extent.times.or(next.extent.late).is_some());
                *position = Position {
                    inode: 0,
                    file,
                    offset: 0,
                };
                Ok(Step { more: true, ..step })
            }
            None => {
                position.inode = inode_of(&opened.main)?;
                Ok(step)
            }
        }
    }

    fn read_on(&self, main: &Pieces<'_>, position: &mut Position, filter: &Filter) -> Result<Step> {
        let mut step = Step::default();
        let behind = main.length().map_or(0, |length| length.saturating_sub(position.offset));
        if main.length().is_some() && behind == 0 {
            return Ok(step);
        }
        let mut lines = Vec::new();
        let Some(file) = position
            .file
            .map_or_else(|| id_of(main, &mut lines), |file| Ok(Some(file)))?
        else {
            return Ok(step);
        };
        position.file = Some(file);
        let mut piece = main.holding(position.offset);
        if behind > MAX_BEHIND {
            step.missed = true;
            piece = main.holding(position.offset + behind - REMAINDER);
        }
        let needle = filter.needle();
        let mut looked = 0;
        while piece < main.count() {
            if looked >= MAX_STEP {
                step.more = true;
                break;
            }
            let start = main.read(piece, &mut lines)?;
            looked += lines.len();
            let mut new = tell(&self.format, filter, &needle, &lines, Mark { file, offset: start });
            new.retain(|(mark, _)| mark.offset > position.offset);
            step.entries.append(&mut new);
            if !lines.is_empty() {
                position.offset = position.offset.max(start + lines.len() as u64);
            }
            piece += 1;
        }
        Ok(step)
    }
}

/// The last wanted lines, found from the end on.
struct Back<'a> {
    format: &'a Format,
    filter: &'a Filter,
    needle: Needle,
    last: usize,
    /// The latest first.
    told: Vec<(Mark, Vec<u8>)>,
    looked: u64,
}

impl<'a> Back<'a> {
    fn new(format: &'a Format, filter: &'a Filter, last: usize) -> Self {
        Self {
            format,
            filter,
            needle: filter.needle(),
            last,
            told: Vec::new(),
            looked: 0,
        }
    }

    /// Enough was found, or looked at.
    fn is_done(&self) -> bool {
        self.told.len() >= self.last || self.looked >= MAX_BACK
    }

    fn read(&mut self, main: &Pieces<'_>, file: u32) -> Result<()> {
        let mut lines = Vec::new();
        for piece in (0..main.count()).rev() {
            if self.is_done() {
                break;
            }
            let offset = main.read(piece, &mut lines)?;
            self.looked += lines.len() as u64;
            let new = tell(self.format, self.filter, &self.needle, &lines, Mark { file, offset });
            self.told.extend(new.into_iter().rev());
        }
        Ok(())
    }

    fn in_order(mut self) -> Vec<(Mark, Vec<u8>)> {
        self.told.truncate(self.last);
        self.told.reverse();
        self.told
    }
}

/// The wanted ones of some lines, which begin at `start`.
fn tell(format: &Format, filter: &Filter, needle: &Needle, lines: &[u8], start: Mark) -> Vec<(Mark, Vec<u8>)> {
    let mut told = Vec::new();
    for (from, to) in needle.spans(lines) {
        if let Some(line) = format.read(&lines[from..to])
            && filter.wants(&line.as_entry())
        {
            let mut entry = Vec::new();
            Format::JSON.write(&line.as_entry(), &mut Stamp::default(), &mut entry);
            entry.pop();
            let offset = start.offset + to as u64 + 1;
            told.push((Mark { offset, ..start }, entry));
        }
    }
    told
}

/// Behind the last line that is whole.
fn end_of(main: &Pieces<'_>, file: u32) -> Result<Position> {
    let inode = inode_of(main)?;
    let mut lines = Vec::new();
    for piece in (0..main.count()).rev() {
        let start = main.read(piece, &mut lines)?;
        if !lines.is_empty() {
            let offset = start + lines.len() as u64;
            return Ok(Position {
                inode,
                file: Some(file),
                offset,
            });
        }
    }
    Ok(Position {
        inode,
        file: None,
        offset: 0,
    })
}

/// The checksum of the first line, once there is one.
fn id_of(main: &Pieces<'_>, lines: &mut Vec<u8>) -> Result<Option<u32>> {
    main.read(0, lines)?;
    Ok(memchr::memchr(b'\n', lines).map(|end| crc32c::crc32c(&lines[..end])))
}

fn inode_of(main: &Pieces<'_>) -> Result<u64> {
    Ok(main.file().metadata()?.ino())
}
