//! Calls of one event loop: written at once, completed in one go when the loop says that something came.
//!
//! An epoll set holds all connections of the loop and a timer for the deadlines. It is itself a descriptor that becomes
//! readable when any of them has news, so the event loop watches one descriptor ([`Flow::fd`]) and calls [`Flow::drain`].
//! No thread is involved.
//!
//! Connections are watched for edges: each is registered once, and read until it is known to be empty. The timer is set
//! when it is not, and looks at all calls when it fires, which is at most once a time-out.
//!
//! Invariants
//! - a call that was taken is completed exactly once: with an answer, a failure, or as late;
//! - a connection is in `idle` when it has no call; one whose call was late is closed, for its answer may still come;
//! - at most [`MOST`] connections; further calls wait in line.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    mem,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime},
};
use slab::Slab;

use super::{Answer, CacheClient, Call, Failure, answer::Reading, wire::Wire};

const MOST: usize = 128;
const EVENTS: usize = 256;
/// What a read takes at most.
const READ: usize = 65_536;
/// Nothing comes after it, so that all must be read now.
const ENDS: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);
/// The timer's mark among the connections' numbers.
const TIMER: u64 = u64::MAX;

/// What came of a call, and what it was submitted with.
pub type Completed<T> = (T, Result<Answer, Failure>);

/// The calls of one event loop to one server. `T` tells calls apart.
pub struct Flow<T> {
    client: CacheClient,
    epoll: OwnedFd,
    timer: OwnedFd,
    /// When the timer fires.
    armed: Option<Instant>,
    lines: Slab<Line<T>>,
    idle: Vec<usize>,
    waiting: VecDeque<Job<T>>,
    completed: Vec<Completed<T>>,
    scratch: Box<[u8]>,
}

struct Job<T> {
    token: T,
    bytes: Vec<u8>,
    deadline: Instant,
    /// How many more connections may be tried for it.
    tries: usize,
}

struct Line<T> {
    wire: Wire,
    job: Option<Job<T>>,
    written: usize,
    reading: Reading,
    input: BytesMut,
    /// Whether a byte of the answer came.
    heard: bool,
}

/// How far a connection came with its call.
enum Progress {
    Waits,
    Done(Answer),
    Broken(Failure),
}

impl<T> Flow<T> {
    pub fn new(client: CacheClient) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(Self {
            client,
            epoll,
            timer,
            armed: None,
            lines: Slab::new(),
            idle: Vec::new(),
            waiting: VecDeque::new(),
            completed: Vec::new(),
            scratch: vec![0; READ].into(),
        })
    }

    /// What becomes readable when [`Flow::drain`] has something to do.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Sends a call. What is returned as an error was not taken; all else is completed by `drain`.
    pub fn submit(&mut self, token: T, call: &Call<'_>) -> Result<(), Failure> {
        let server = &self.client.0;
        let now = Instant::now();
        server.admits(now)?;
        let mut head = String::with_capacity(512 + call.body().len());
        server.write_head(call, &mut head)?;
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(call.body());
        let deadline = now + server.timeout + call.wait();
        let tries = 1 + server.place.count().unwrap_or(1);
        self.start(Job {
            token,
            bytes,
            deadline,
            tries,
        });
        self.arm(deadline, now);
        Ok(())
    }

    /// Moves all that can be moved, and gives what was completed.
    pub fn drain(&mut self) -> Vec<Completed<T>> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        // Nothing is waited for, so an error here could only be of our own making.
        let _ = epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&Timespec::default()),
        );
        let mut fired = false;
        for event in &events {
            let (mark, flags) = (event.data.u64(), event.flags);
            match mark {
                TIMER => fired = true,
                at => self.advance(at as usize, flags.intersects(ENDS)),
            }
        }
        // Last: a loop that was busy for long finds the answer and the deadline at once.
        if fired {
            self.expire();
        }
        mem::take(&mut self.completed)
    }

    /// Completes all calls as failures and closes all connections.
    pub fn close(&mut self) -> Vec<Completed<T>> {
        let jobs = mem::take(&mut self.lines).into_iter().filter_map(|(_, line)| line.job);
        let jobs: Vec<_> = jobs.chain(mem::take(&mut self.waiting)).collect();
        self.idle.clear();
        let closed = || Err(Failure::Away("the cache was closed".to_owned()));
        jobs.into_iter().map(|job| (job.token, closed())).collect()
    }

    /// Gives a call to a connection: a kept one, a new one, or the next that is done.
    fn start(&mut self, job: Job<T>) {
        if let Some(at) = self.idle.pop() {
            self.lines[at].job = Some(job);
            self.send(at);
        } else if self.lines.len() < MOST {
            self.connect(job);
        } else {
            self.waiting.push_back(job);
        }
    }

    fn connect(&mut self, mut job: Job<T>) {
        job.tries -= 1;
        let begun = self.begin(job.tries);
        match begun {
            Ok(wire) => {
                let at = self.lines.insert(Line {
                    wire,
                    job: Some(job),
                    written: 0,
                    reading: Reading::default(),
                    input: BytesMut::new(),
                    heard: false,
                });
                self.send(at);
            }
            Err(failure) => self.failed(job, failure),
        }
    }

    /// A new connection, to one address after the other in the order of tries.
    fn begin(&self, tries: usize) -> Result<Wire, Failure> {
        let server = &self.client.0;
        let addresses = server.place.known().unwrap_or_default();
        let address = addresses.get(
            addresses
                .len()
                .saturating_sub(tries.max(1))
                .min(addresses.len().saturating_sub(1)),
        );
        let address = address.ok_or_else(|| Failure::Away("the name has no address".to_owned()))?;
        let wire = Wire::begin(&server.origin, *address)?;
        let watched = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let mark = EventData::new_u64(self.lines.vacant_key() as u64);
        epoll::add(&self.epoll, wire.fd(), mark, watched).map_err(io::Error::from)?;
        Ok(wire)
    }

    /// Writes without looking for an answer, which can't be there yet.
    fn send(&mut self, at: usize) {
        if self.lines[at].write().is_err_and(|error| !is_later(&error)) {
            self.advance(at, true);
        }
    }

    fn advance(&mut self, at: usize, ends: bool) {
        let Some(line) = self.lines.get_mut(at) else {
            return;
        };
        match line.advance(&mut self.scratch, ends) {
            Progress::Waits => {}
            Progress::Done(answer) => self.done(at, answer),
            Progress::Broken(failure) => self.broken(at, failure),
        }
    }

    fn done(&mut self, at: usize, answer: Answer) {
        let line = &mut self.lines[at];
        let job = line.job.take();
        let keep = answer.keep && line.input.is_empty();
        if let Some(job) = job {
            self.completed.push((job.token, self.client.0.judged(Ok(answer))));
        }
        match keep {
            true => {
                (line.written, line.heard, line.reading) = (0, false, Reading::default());
                self.idle.push(at);
            }
            false => drop(self.lines.remove(at)),
        }
        self.next();
    }

    /// The connection is of no more use. Its call is made once more where no byte of an answer had come.
    fn broken(&mut self, at: usize, failure: Failure) {
        let line = self.lines.remove(at);
        self.idle.retain(|idle| *idle != at);
        match line.job {
            Some(job) if !line.heard && job.tries > 0 => self.connect(job),
            Some(job) => self.failed(job, failure),
            None => {}
        }
        self.next();
    }

    fn failed(&mut self, job: Job<T>, failure: Failure) {
        let meant = self.client.0.judged(Err(failure));
        self.completed.push((job.token, meant));
        // It may not be `drain` that has just found out.
        let now = Instant::now();
        self.arm(now, now);
    }

    fn next(&mut self) {
        if let Some(job) = self.waiting.pop_front() {
            self.start(job);
        }
    }

    /// Ends what is late, and looks again when the next call could be.
    fn expire(&mut self) {
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
        self.armed = None;
        let now = Instant::now();
        let late: Vec<_> = self
            .lines
            .iter()
            .filter(|(_, line)| line.is_late(now))
            .map(|(at, _)| at)
            .collect();
        let jobs = late.into_iter().filter_map(|at| self.lines.remove(at).job);
        let (late, waiting) = mem::take(&mut self.waiting)
            .into_iter()
            .partition(|job| job.deadline <= now);
        self.waiting = waiting;
        let late: Vec<_> = jobs.chain(Vec::from_iter::<VecDeque<_>>(late)).collect();
        for job in late {
            self.completed
                .push((job.token, self.client.0.judged(Err(Failure::late()))));
            self.next();
        }
        let jobs = self
            .lines
            .iter()
            .filter_map(|(_, line)| line.job.as_ref())
            .chain(&self.waiting);
        if let Some(first) = jobs.map(|job| job.deadline).min() {
            self.arm(first, now);
        }
    }

    fn arm(&mut self, deadline: Instant, now: Instant) {
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.armed = Some(deadline);
            // A timer of 0 would be none.
            let after = deadline.saturating_duration_since(now).max(Duration::from_nanos(1));
            let value = Timespec {
                tv_sec: after.as_secs().cast_signed(),
                tv_nsec: after.subsec_nanos().into(),
            };
            let once = Itimerspec {
                it_interval: Timespec::default(),
                it_value: value,
            };
            let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once);
        }
    }
}

impl<T> Line<T> {
    fn is_late(&self, now: Instant) -> bool {
        self.job.as_ref().is_some_and(|job| job.deadline <= now)
    }

    /// Writes what is left, reads what has come; with `ends` up to the very end.
    fn advance(&mut self, scratch: &mut [u8], ends: bool) -> Progress {
        match self.write() {
            Err(error) if !is_later(&error) => self.last_words(scratch).unwrap_or(Progress::Broken(error.into())),
            _ => self.read(scratch, ends),
        }
    }

    /// A server may refuse by the head and close, so an answer counts even if not all could be sent.
    fn last_words(&mut self, scratch: &mut [u8]) -> Option<Progress> {
        match self.read(scratch, true) {
            Progress::Done(answer) => Some(Progress::Done(Answer { keep: false, ..answer })),
            _ => None,
        }
    }

    fn read(&mut self, scratch: &mut [u8], ends: bool) -> Progress {
        loop {
            match self.wire.read(scratch) {
                Ok(0) => return Progress::Broken(Failure::Away("it closed the connection".to_owned())),
                Ok(count) => {
                    self.input.extend_from_slice(&scratch[..count]);
                    self.heard = true;
                    match self.reading.feed(&mut self.input) {
                        Ok(Some(answer)) if self.job.is_some() => return Progress::Done(answer),
                        Ok(_) if self.job.is_none() => {
                            return Progress::Broken(Failure::Away("it answers what nobody asked".to_owned()));
                        }
                        Ok(_) if count < scratch.len() && !ends && !self.wire.holds_back() => return Progress::Waits,
                        Ok(_) => {}
                        Err(failure) => return Progress::Broken(failure),
                    }
                }
                Err(error) if is_later(&error) => return Progress::Waits,
                Err(error) => return Progress::Broken(error.into()),
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(job) = &self.job else {
            return Ok(());
        };
        while self.written < job.bytes.len() {
            self.written += self.wire.write(&job.bytes[self.written..])?;
        }
        self.wire.flush()
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected
    )
}
