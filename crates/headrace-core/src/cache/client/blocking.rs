//! Calls of threads: each borrows a kept connection, writes once, reads once, and gives it back.
//!
//! A kept connection that the server has closed meanwhile is found out before a byte of an answer, and the call is made
//! once more on a fresh one: every call of the contract may be repeated. With it goes all that was kept, for a server
//! that was started again has closed them all.

use std::{
    io::{self, Read, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::BytesMut;

use super::{Answer, Call, Failure, Server, answer::Reading, wire::Wire};

/// Below the 75 s of the service.
const IDLE: Duration = Duration::from_secs(55);
const KEPT: usize = 64;
/// What a read takes at most.
const READ: usize = 32_768;
/// Where a body follows in a write of its own: a copy costs more than a system call from here on.
const TOGETHER: usize = 16_384;

/// Connections that wait for a call, the newest on top.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Kept>>);

struct Kept {
    line: Line,
    since: Instant,
}

/// A connection with its buffers.
struct Line {
    wire: Wire,
    head: String,
    input: BytesMut,
    scratch: Box<[u8]>,
}

/// What became of a call on a connection.
enum Lost {
    /// It was closed before a byte of the answer.
    Unheard(Failure),
    Failed(Failure),
}

impl Pool {
    fn take(&self, now: Instant) -> Option<Line> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = kept.pop()?;
        if now.duration_since(newest.since) < IDLE {
            return Some(newest.line);
        }
        kept.clear();
        None
    }

    fn put(&self, line: Line, since: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(Kept { line, since });
        }
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The answer of `server` to `call` by `deadline`.
pub(super) fn exchange(
    server: &Server,
    call: &Call<'_>,
    started: Instant,
    deadline: Instant,
) -> Result<Answer, Failure> {
    if let Some(mut line) = server.pool.take(started) {
        line.wire.until(deadline);
        match line.exchange(server, call) {
            Ok(answer) => return Ok(give_back(server, line, answer, started)),
            Err(Lost::Failed(failure)) => return Err(failure),
            Err(Lost::Unheard(_)) => server.pool.clear(),
        }
    }
    let addresses = server.place.find(deadline)?;
    let (mut wire, address) = Wire::open(&server.origin, &addresses, deadline)?;
    server.place.prefer(address);
    wire.until(deadline);
    let mut line = Line {
        wire,
        head: String::with_capacity(512),
        input: BytesMut::with_capacity(2048),
        scratch: vec![0; READ].into(),
    };
    match line.exchange(server, call) {
        Ok(answer) => Ok(give_back(server, line, answer, started)),
        Err(Lost::Unheard(failure) | Lost::Failed(failure)) => Err(failure),
    }
}

fn give_back(server: &Server, line: Line, answer: Answer, started: Instant) -> Answer {
    if answer.keep && line.input.is_empty() {
        server.pool.put(line, started);
    }
    answer
}

impl Line {
    fn exchange(&mut self, server: &Server, call: &Call<'_>) -> Result<Answer, Lost> {
        self.head.clear();
        server.write_head(call, &mut self.head).map_err(Lost::Failed)?;
        let sent = self.send(call.body());
        // A server may refuse by the head and close, so an answer counts even if not all could be sent.
        match (self.receive(), sent) {
            (Ok(answer), Ok(())) => Ok(answer),
            (Ok(answer), Err(_)) => Ok(Answer { keep: false, ..answer }),
            (Err(Lost::Unheard(_)), Err(error)) if !is_late(&error) => Err(Lost::Unheard(error.into())),
            (Err(lost), _) => Err(lost),
        }
    }

    fn send(&mut self, body: &[u8]) -> io::Result<()> {
        if !body.is_empty() && body.len() <= TOGETHER {
            self.wire.write_all(&[self.head.as_bytes(), body].concat())?;
        } else {
            self.wire.write_all(self.head.as_bytes())?;
            self.wire.write_all(body)?;
        }
        self.wire.flush()
    }

    fn receive(&mut self) -> Result<Answer, Lost> {
        let (mut reading, mut heard) = (Reading::default(), false);
        loop {
            let failed = |failure: Failure, heard: bool| match heard {
                true => Lost::Failed(failure),
                false => Lost::Unheard(failure),
            };
            match self.wire.read(&mut self.scratch) {
                Ok(0) => return Err(failed(Failure::Away("it closed the connection".to_owned()), heard)),
                Ok(count) => self.input.extend_from_slice(&self.scratch[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_late(&error) => return Err(Lost::Failed(Failure::late())),
                Err(error) => return Err(failed(error.into(), heard)),
            }
            heard = true;
            if let Some(answer) = reading.feed(&mut self.input).map_err(Lost::Failed)? {
                return Ok(answer);
            }
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
