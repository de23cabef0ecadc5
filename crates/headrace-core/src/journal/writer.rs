//! The one thread that writes: takes all that was appended, writes it with one call, waits for one sync, tells everyone.
//!
//! A sync costs what four requests do, so it is not begun for the few that came during the one before: who is told of that
//! one's end mostly has more to bring, and then says that it is time (`Journal::flush`). Where nobody does, it is a moment
//! later.
//!
//! It also begins segments (in a file that was prepared `ahead`, where there is one), removes those that have landed, and
//! watches the room on the disk. When a write or a sync
//! fails the segment is left as it is, for good: after a failed sync the kernel may take dirty pages for clean ones, so
//! a second sync that succeeds says nothing. The next segment's header tells where the safe part of it ends.

use std::{
    io,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Completion, Failure, Health,
    backlog::Range,
    segment::{self, Header, Kind, START, Segment},
    state::{Extent, Shared, State},
};

/// How often a full disk is looked at, and when removable segments are looked for while nothing happens.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A full disk counts as one with room again when so much is free beside the reserve.
const RESUME: u64 = 1 << 20;
/// The next segment's file is prepared when this one is full to one part in so many: time enough, and a journal in which
/// hardly anything is written has no such file.
const PREPARE_AT: u64 = 4;
/// A segment that is begun without a prepared file gets one part in so many of the room of others, though not less than
/// this: the sooner the next one is begun, in a file that is prepared by then.
const SHORT: u64 = 8;
const SHORTEST: u64 = 1 << 20;
/// How long what came during a write waits for a flush after its end.
const COMPANY: Duration = Duration::from_micros(300);
/// A buffer that grew larger than this in a burst is given back.
const KEEP_BUFFER: usize = 8 << 20;

pub(super) struct Writer {
    shared: Arc<Shared>,
    segment: Option<Segment>,
    /// What the next segment's header says of the one before.
    previous: (u64, u64),
    buffer: Vec<u8>,
    tidied: Instant,
    /// Where the segment ends at the latest, unless its first record is longer.
    limit: u64,
    /// Whether the next segment's file was thought of.
    looked_ahead: bool,
}

/// What was taken from the queue.
struct Work {
    records: Vec<u8>,
    waiting: Vec<(u64, Completion)>,
    /// The number after the last one.
    next: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, previous: (u64, u64)) -> Self {
        Self {
            shared,
            segment: None,
            previous,
            buffer: Vec::new(),
            tidied: Instant::now(),
            limit: 0,
            looked_ahead: false,
        }
    }

    /// Until the journal is closed and all is written.
    pub(super) fn run(mut self) {
        while self.wait() {
            self.round();
        }
        self.finish();
    }

    /// Until there is something to do; false when nothing more will come.
    fn wait(&self) -> bool {
        let mut state = self.shared.state();
        if !(state.hurried || state.landed || state.closing) {
            let patience = if state.queue.is_empty() { LOOK_AGAIN } else { COMPANY };
            state.idle = true;
            let sleeping = |state: &mut State| state.idle && !state.closing;
            let waited = self.shared.work.wait_timeout_while(state, patience, sleeping);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.idle = false;
        }
        !state.closing || state.landed || !state.queue.is_empty()
    }

    /// Writes what has come, then tidies up.
    pub(super) fn round(&mut self) {
        let mut work = self.take();
        if work.records.is_empty() {
            self.complete(0, &mut work.waiting, work.next - 1);
        } else if let Err(error) = self.commit(&mut work) {
            self.give_up(work.waiting, &error, work.next);
        }
        work.records.clear();
        if work.records.capacity() <= KEEP_BUFFER {
            self.buffer = work.records;
        }
        self.watch_space();
        self.remove_landed();
        self.look_ahead();
    }

    fn take(&mut self) -> Work {
        let mut state = self.shared.state();
        let queue = std::mem::take(&mut state.queue);
        state.hurried = false;
        state.queue.records = std::mem::take(&mut self.buffer);
        state.writing = (queue.payloads, queue.records.len() as u64);
        state.writing_since = queue.since().unwrap_or_default();
        Work {
            records: queue.records,
            waiting: queue.waiting,
            next: state.next,
        }
    }

    /// Writes all of it, segment by segment.
    fn commit(&mut self, work: &mut Work) -> io::Result<()> {
        if let Health::Failed(reason) = &self.shared.state().health {
            return Err(io::Error::other(reason.clone()));
        }
        let mut rest = &mut work.records[..];
        while !rest.is_empty() {
            let fitting = self.fitting(rest)?;
            let (now, later) = rest.split_at_mut(fitting);
            let Some(segment) = &mut self.segment else {
                return Err(io::Error::other("no segment"));
            };
            if let Err(error) = segment.write(now) {
                self.abandon();
                return Err(error);
            }
            let last = self.publish(now);
            self.complete(1, &mut work.waiting, last);
            rest = later;
        }
        Ok(())
    }

    /// Leaves the segment as it is: nothing is written to it any more.
    fn abandon(&mut self) {
        if let Some(segment) = self.segment.take() {
            self.previous = (segment.header.first, segment.end);
            // The next segment's header says the same; this helps where there will be none.
            let _ = segment.file.truncate(segment.end);
        }
        let mut state = self.shared.state();
        state.active = None;
        state.count_pinned();
    }

    /// How many bytes of `records` go into this segment, which is a new one where not even the first record fits.
    fn fitting(&mut self, records: &[u8]) -> io::Result<usize> {
        let mut heads = segment::heads(records);
        let Some(head) = heads.next() else {
            return Ok(0);
        };
        let room = |segment: &Segment, limit: u64| limit.saturating_sub(segment.end) as usize;
        let fits = |segment: &Segment| segment.end == START || head.total() <= room(segment, self.limit);
        if !self.segment.as_ref().is_some_and(fits) {
            self.begin_segment(head.first, head.total() as u64)?;
        }
        let room = self.segment.as_ref().map_or(0, |segment| room(segment, self.limit));
        let mut bytes = head.total();
        for head in heads {
            if bytes + head.total() > room {
                break;
            }
            bytes += head.total();
        }
        Ok(bytes)
    }

    /// Begins the segment of `first` with room for `needed` bytes at least, and leaves the one before.
    fn begin_segment(&mut self, first: u64, needed: u64) -> io::Result<()> {
        if let Some(segment) = &self.segment {
            self.previous = (segment.header.first, segment.end);
        }
        let header = self.header(first);
        let extent = Extent {
            salt: header.salt,
            end: START,
            last: first - 1,
            newest: header.made,
        };
        let (segment, limit) = self.create_segment(header, START + needed)?;
        if let Some(before) = self.segment.replace(segment) {
            // Gives back what was set aside and not used; where it ends is already written.
            let _ = before.file.truncate(before.end);
        }
        (self.limit, self.looked_ahead) = (limit, false);
        let mut state = self.shared.state();
        state.segments.insert(first, extent);
        state.active = Some(first);
        state.count_pinned();
        Ok(())
    }

    /// Makes the file of a segment, and how long it may get.
    fn create_segment(&mut self, header: Header, needed: u64) -> io::Result<(Segment, u64)> {
        let (disk, path) = (&*self.shared.disk, self.shared.path_of(header.first));
        let (created, limit) = if let Some(prepared) = self.shared.ahead.take(needed) {
            let limit = prepared.length;
            (Segment::create_in(disk, &path, header, prepared), limit)
        } else {
            let length = self.room(needed)?;
            (Segment::create(disk, &path, header, length, &mut []), self.short())
        };
        if created.is_err() {
            // It may be there all the same, and says that the one before ends here.
            self.abandon();
        }
        Ok((created?, limit))
    }

    fn header(&self, first: u64) -> Header {
        let options = &self.shared.options;
        Header {
            kind: Kind::Payloads,
            first,
            salt: segment::new_salt(),
            previous: self.previous,
            made: (options.clock)(),
            node: options.node.clone(),
        }
    }

    /// The length of a segment that nothing was prepared for.
    fn short(&self) -> u64 {
        let most = self.shared.options.segment_bytes;
        most.min((most / SHORT).max(SHORTEST))
    }

    /// How many bytes to set aside for a segment that needs at least `needed`.
    fn room(&self, needed: u64) -> io::Result<u64> {
        let Shared {
            options, ahead, disk, ..
        } = &*self.shared;
        let wanted = self.short();
        self.make_room(needed.max(wanted));
        if self.stored() + needed.max(wanted) + ahead.bytes() > options.max_bytes {
            // The room that it was to have is needed now.
            ahead.discard(&**disk);
        }
        let left = options.max_bytes.saturating_sub(self.stored() + ahead.bytes());
        let free = self.free_space(options.reserve_bytes + needed)?;
        let free = free.saturating_sub(options.reserve_bytes);
        if free < needed {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no room beside the reserve"));
        }
        Ok(wanted.min(left).min(free).max(needed))
    }

    /// Removes what has landed before its time, as far as `wanted` more bytes ask for it.
    fn make_room(&self, wanted: u64) {
        while self.stored() + wanted > self.shared.options.max_bytes && self.remove_oldest(0) {}
    }

    /// Bytes that are free on the disk. Where they are fewer than `least` what was prepared is given back, and then what has
    /// landed before its time.
    fn free_space(&self, least: u64) -> io::Result<u64> {
        let Shared {
            disk, folder, ahead, ..
        } = &*self.shared;
        let mut free = disk.free_space(folder)?;
        while free < least && (ahead.discard(&**disk) || self.remove_oldest(0)) {
            free = disk.free_space(folder)?;
        }
        Ok(free)
    }

    /// Has the next segment's file prepared, once this one is used enough and where both have room.
    fn look_ahead(&mut self) {
        let Shared { options, ahead, .. } = &*self.shared;
        let length = options.segment_bytes;
        let Some(segment) = self.segment.as_ref().filter(|_| !self.looked_ahead) else {
            return;
        };
        if segment.end < self.limit / PREPARE_AT {
            return;
        }
        self.looked_ahead = true;
        // What this segment may yet grow by, and the next one.
        let wanted = self.limit.saturating_sub(segment.end) + length;
        self.make_room(wanted);
        let fits = self.stored() + wanted <= options.max_bytes;
        // Beside the reserve there is room for another one, or it would be given back at once.
        if fits
            && self
                .free_space(0)
                .is_ok_and(|free| free >= options.reserve_bytes + 2 * length)
        {
            ahead.want(length);
        }
    }

    /// Shows safe records to readers; the number of the last one.
    fn publish(&mut self, records: &[u8]) -> u64 {
        let mut state = self.shared.state();
        let state = &mut *state;
        let mut last = state.safe;
        let mut newest = 0;
        for head in segment::heads(records) {
            last = head.last();
            newest = newest.max(head.time);
            state.backlog.push(Range {
                stream: head.stream,
                first: head.first,
                last,
            });
            state.writing.0 -= u64::from(head.payloads);
            state.counts.appended += u64::from(head.payloads);
        }
        state.writing.1 -= records.len() as u64;
        state.counts.written += records.len() as u64;
        state.safe = last;
        if let (Some(segment), Some(extent)) = (
            &self.segment,
            state.active.and_then(|first| state.segments.get_mut(&first)),
        ) {
            extent.end = segment.end;
            extent.last = last;
            extent.newest = extent.newest.max(newest);
        }
        if state.readers > 0 {
            self.shared.more.notify_all();
        }
        last
    }

    /// Tells those whose numbers go up to `last` that all is well.
    fn complete(&self, syncs: u64, waiting: &mut Vec<(u64, Completion)>, last: u64) {
        self.shared.state().counts.syncs += syncs;
        let done = waiting.partition_point(|(number, _)| *number <= last);
        for (_, completion) in waiting.drain(..done) {
            completion(Ok(()));
        }
    }

    /// Nothing that is left of this work is safe. Goes on with a new segment, begun with `next`, if the disk allows it.
    fn give_up(&mut self, waiting: Vec<(u64, Completion)>, error: &io::Error, next: u64) {
        let mut health = health_after(error);
        if !matches!(health, Health::DiskFull(_)) {
            health = self
                .begin_segment(next, 0)
                .map_or_else(|error| health_after(&error), |()| Health::Good);
        }
        let failure = match health {
            Health::DiskFull(_) => Failure::DiskFull,
            Health::Good | Health::Failed(_) => Failure::Failed,
        };
        {
            let mut state = self.shared.state();
            state.counts.failures += 1;
            state.counts.failed += state.writing.0;
            state.last_failure = error.to_string();
            state.writing = (0, 0);
            state.health = health;
        }
        for (_, completion) in waiting {
            completion(Err(failure));
        }
    }

    fn stored(&self) -> u64 {
        let state = self.shared.state();
        state.segments.values().map(|extent| extent.end).sum()
    }

    /// Refuses appends while the disk is nearly full, takes them again when it is not.
    fn watch_space(&self) {
        let reserve = self.shared.options.reserve_bytes;
        let is_full = matches!(self.shared.state().health, Health::DiskFull(_));
        let least = if is_full {
            reserve.saturating_add(RESUME)
        } else {
            reserve
        };
        let Ok(free) = self.free_space(least) else {
            return;
        };
        let mut state = self.shared.state();
        match state.health {
            Health::Good if free < least => {
                state.health = Health::DiskFull(format!("{free} bytes are free, {reserve} are left to others"));
            }
            Health::DiskFull(_) if is_full && free >= least => state.health = Health::Good,
            _ => {}
        }
    }

    /// Removes what has landed and is not needed for its keys any more.
    fn remove_landed(&mut self) {
        let due = std::mem::take(&mut self.shared.state().landed) || self.tidied.elapsed() >= LOOK_AGAIN;
        if due {
            self.tidied = Instant::now();
            let retain = self.shared.options.retain.as_millis() as u64;
            while self.remove_oldest(retain) {}
        }
    }

    /// Removes the oldest segment if all of it landed and its last record is `retain` milliseconds old.
    fn remove_oldest(&self, retain: u64) -> bool {
        let Shared {
            options, disk, folder, ..
        } = &*self.shared;
        let now = (options.clock)();
        let Some((first, extent)) = self.shared.state().landed_segment() else {
            return false;
        };
        if retain > 0 && extent.newest.saturating_add(retain) > now {
            return false;
        }
        let removed = match disk.remove(&self.shared.path_of(first)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        // Safe before the next one goes, whose header says where this one ends.
        if removed.and_then(|()| disk.sync_folder(folder)).is_err() {
            return false;
        }
        self.shared.state().segments.remove(&first);
        true
    }

    /// Begins a segment that stays empty, because its header says where the one before ends: whatever becomes of that
    /// one's last write is damage then, and no write that was cut short. Gives back the room that was set aside.
    pub(super) fn finish(mut self) {
        if self.segment.as_ref().is_some_and(|segment| segment.end > START) {
            let next = self.shared.state().next;
            // A full disk has no room for it; then opening looks closer.
            let _ = self.begin_segment(next, 0);
        }
        if let Some(segment) = self.segment {
            let _ = segment.file.truncate(segment.end);
            let _ = segment.file.sync();
        }
        self.shared.ahead.close(&*self.shared.disk);
    }
}

fn health_after(error: &io::Error) -> Health {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Health::DiskFull(error.to_string()),
        _ => Health::Failed(error.to_string()),
    }
}
