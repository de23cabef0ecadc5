//! The one thread that brings entries from the journal into the file, in order.
//!
//! ```text
//! journal -> window -> lines -> file, synced -> checkpoint, synced -> journal gives up what is below it
//! ```
//!
//! There is one way back after anything went wrong, a crash as well as a write that failed: what is in memory is thrown
//! away, the files are cut to what the checkpoint says, and the journal is read again from where the checkpoint says.
//! Until that succeeds entries wait in the journal.
//!
//! The clock of the window is when entries were appended; once all are read it is the time before which none can come any
//! more (`Journal::horizon`). So a disk that stalls for seconds makes no entry late, and a restart with a backlog writes
//! the same file as if there had been none.

use std::{
    io,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Encoded,
    checkpoint::{Checkpoint, Checkpoints},
    file::{Options, Shared, Written},
    line::Stamp,
    output::{Output, Place, failed},
    rotation,
    window::{SLOT, Slot, Window},
};
use crate::journal::{Journal, Range, Reader};

/// How much is read before it is looked after anything else.
const READ: usize = 4 << 20;
/// With so much to be written it is not waited for more.
const ENOUGH: usize = 8 << 20;
/// Lines are handed to the file in pieces of about this size.
const PIECE: usize = 256 << 10;
/// How often it is tried again when something failed, and how often the journal is told what it may give up.
const AGAIN: Duration = Duration::from_secs(1);
/// How long nothing has to be done once all is read.
const TICK: Duration = Duration::from_nanos(SLOT.cast_unsigned());
const MILLI: i64 = 1_000_000;

pub(super) struct Writer {
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    options: Options,
    place: Place,
    checkpoints: Checkpoints,
    open: Option<Open>,
    stamp: Stamp,
    lines: Vec<u8>,
    late: Vec<u8>,
    /// Below this number the journal was told to give up.
    released: u64,
    last_release: Instant,
}

/// How much of the journal was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    All,
    Some,
    /// Something has to leave the window before more can be read.
    UpToHere,
}

/// What is thrown away when something fails.
struct Open {
    output: Output,
    window: Window,
    reader: Reader,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        journal: Arc<Journal>,
        options: Options,
        place: Place,
        checkpoints: Checkpoints,
    ) -> Self {
        Self {
            shared,
            journal,
            options,
            place,
            checkpoints,
            open: None,
            stamp: Stamp::default(),
            lines: Vec::new(),
            late: Vec::new(),
            released: 0,
            last_release: Instant::now(),
        }
    }

    /// Until it is told to stop and all has left the window, or has had its time.
    pub(super) fn run(mut self) {
        let mut idle = Duration::ZERO;
        loop {
            let stop = self.shared.pause(idle);
            if stop.is_some_and(|stop| stop <= Instant::now()) {
                break;
            }
            let outcome = self.round();
            // What was acknowledged before the stop has been read.
            if stop.is_some() && matches!(outcome, Ok(true)) && self.is_empty() {
                break;
            }
            idle = match outcome {
                Ok(true) => TICK,
                Ok(false) => Duration::ZERO,
                Err(_) => AGAIN,
            };
            if self.last_release.elapsed() >= AGAIN {
                self.release();
            }
        }
        self.release();
    }

    /// Whether no entry waits in the window.
    fn is_empty(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.window.waiting().0 == 0)
    }

    /// Reads some, writes what may leave; whether all was read. After an error the next round begins anew.
    pub(super) fn round(&mut self) -> io::Result<bool> {
        let outcome = self.open().and_then(|mut open| {
            let caught_up = self.advance(&mut open)?;
            self.shared.waiting(open.window.waiting());
            self.open = Some(open);
            Ok(caught_up)
        });
        self.shared.fault(outcome.as_ref().err());
        outcome
    }

    /// What was open, or all opened anew from the checkpoint.
    fn open(&mut self) -> io::Result<Open> {
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        self.checkpoints.ensure().map_err(|error| unkept(&error))?;
        let mut checkpoint = self.checkpoints.latest().clone();
        if !checkpoint.rotating.is_empty() {
            self.place.rename(&checkpoint)?;
        }
        let output = Output::open(&self.place, &checkpoint)?;
        let goes_on = output.main().identity == checkpoint.main.identity;
        checkpoint.first = checkpoint.first.filter(|_| goes_on);
        checkpoint.rotating.clear();
        let position = checkpoint.position;
        self.note(&output, checkpoint)?;
        Ok(Open {
            output,
            window: Window::new(self.options.window, self.options.window_bytes, position),
            reader: self.journal.reader(position.low),
        })
    }

    /// Makes `checkpoint` safe, with the files as they are; nothing is done where it says nothing new.
    fn note(&mut self, output: &Output, mut checkpoint: Checkpoint) -> io::Result<()> {
        (checkpoint.main, checkpoint.side) = (output.main(), output.side());
        if *self.checkpoints.latest() == checkpoint {
            return Ok(());
        }
        self.checkpoints.write(checkpoint).map_err(|error| unkept(&error))
    }

    /// Reads some, moves the window on, writes what leaves it; whether all was read.
    fn advance(&mut self, open: &mut Open) -> io::Result<bool> {
        // Before reading: what could be read at that time is read then.
        let horizon = nanos(self.journal.horizon());
        let read = self.read(open)?;
        let caught_up = read == Read::All && open.window.advance(horizon);
        while open.window.is_crowded() {
            open.window.make_room();
            self.flush(open)?;
        }
        if read != Read::Some || open.window.leaving() >= ENOUGH {
            self.flush(open)?;
        }
        Ok(caught_up)
    }

    /// Reads entries into the window.
    fn read(&mut self, open: &mut Open) -> io::Result<Read> {
        let (mut bytes, mut unreadable, mut read) = (0, 0, Read::All);
        let window = &mut open.window;
        let visited = open.reader.visit(|arrival| {
            if !window.advance(nanos(arrival.time)) {
                read = Read::UpToHere;
                return ControlFlow::Break(());
            }
            if bytes >= READ {
                read = Read::Some;
                return ControlFlow::Break(());
            }
            bytes += arrival.bytes.len();
            unreadable += u64::from(!window.insert(arrival.number, arrival.bytes));
            ControlFlow::Continue(())
        });
        self.shared.count(|counts| counts.unreadable += unreadable);
        visited.map_err(|error| io::Error::new(error.kind(), format!("the journal cannot be read: {error}")))?;
        Ok(read)
    }

    /// Writes what leaves the window, and makes it safe.
    fn flush(&mut self, open: &mut Open) -> io::Result<()> {
        let slots = open.window.leave();
        let Some(time) = slots.first().map(Slot::time) else {
            return Ok(());
        };
        let first = self.checkpoints.latest().first;
        if first.is_some_and(|first| rotation::is_later_day(time, first)) {
            self.rotate(open)?;
        }
        let written = self.write(&slots, &mut open.output)?;
        open.window.recycle(slots);
        open.output.sync()?;
        let latest = self.checkpoints.latest();
        let checkpoint = Checkpoint {
            position: open.window.position(),
            first: latest.first.or(Some(time)),
            ..latest.clone()
        };
        self.note(&open.output, checkpoint)?;
        self.shared.flushed(&written, open.output.main().length);
        if open.output.main().length >= self.options.rotate_bytes {
            self.rotate(open)?;
        }
        Ok(())
    }

    /// Appends the lines of `slots`.
    fn write(&mut self, slots: &[Slot], output: &mut Output) -> io::Result<Written> {
        let mut written = Written::default();
        for (time, bytes) in slots.iter().flat_map(Slot::entries) {
            let Some(entry) = Encoded::read(bytes) else {
                written.unreadable += 1;
                continue;
            };
            let start = self.lines.len();
            self.options
                .format
                .write_encoded(&entry, &mut self.stamp, &mut self.lines);
            written.lines += 1;
            if entry.time < time {
                written.late += 1;
                self.mark_late(output.main().length, start);
            }
            if self.lines.len() >= PIECE {
                self.append(output, &mut written)?;
            }
        }
        self.append(output, &mut written)?;
        Ok(written)
    }

    /// Notes that the line at `start` came late.
    fn mark_late(&mut self, length: u64, start: usize) {
        let offset = length + start as u64;
        self.late
            .extend_from_slice(itoa::Buffer::new().format(offset).as_bytes());
        self.late.push(b';');
        self.late.extend_from_slice(&self.lines[start..]);
    }

    /// Hands the lines that were formatted to the files.
    fn append(&mut self, output: &mut Output, written: &mut Written) -> io::Result<()> {
        let appended = output.append(&self.lines, &self.late);
        written.bytes += self.lines.len() as u64;
        self.lines.clear();
        self.late.clear();
        appended
    }

    /// Gives the file another name and begins a new one. The checkpoint says so first, for a crash in between.
    fn rotate(&mut self, open: &mut Open) -> io::Result<()> {
        let there = self
            .place
            .disk
            .list(self.place.folder())
            .map_err(failed("listed", self.place.folder()))?;
        let latest = self.checkpoints.latest();
        let renaming = Checkpoint {
            rotating: rotation::name(&self.place.name(), latest.first.unwrap_or_default(), &there),
            ..latest.clone()
        };
        self.checkpoints
            .write(renaming.clone())
            .map_err(|error| unkept(&error))?;
        self.place.rename(&renaming)?;
        open.output = Output::open(&self.place, &renaming)?;
        let begun = Checkpoint {
            first: None,
            rotating: String::new(),
            ..renaming
        };
        self.note(&open.output, begun)?;
        self.shared.count(|counts| counts.rotations += 1);
        Ok(())
    }

    /// Tells the journal what is in the file for good. What it is not told, or forgets, the checkpoint knows.
    pub(super) fn release(&mut self) {
        self.last_release = Instant::now();
        let Some(low) = self.checkpoints.certain().map(|checkpoint| checkpoint.position.low) else {
            return;
        };
        let waits = self.journal.status().oldest.is_some_and(|oldest| oldest < low);
        if !waits || low <= self.released {
            return;
        }
        for seal in self.journal.sealed() {
            // One that a crash left: all of it was in the file before it was made.
            let _ = self.journal.landed(seal.id);
        }
        let range = Range {
            stream: 0,
            first: 1,
            last: low - 1,
        };
        // A journal that cannot keep notes says so by its own health, and tries again with the next one.
        if let Ok(seal) = self.journal.seal(range, b"")
            && self.journal.landed(seal.id).is_ok()
        {
            self.released = low;
        }
    }
}

fn nanos(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(MILLI)
}

fn unkept(error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("the checkpoint of the log cannot be kept: {error}"),
    )
}
