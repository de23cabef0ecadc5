//! Idle connections to one app server, kept by one engine thread.
//!
//! A request borrows a connection and gives it back when both sides are at a message boundary; anything else drops it.
//! Newest first: a hot few stay warm and the rest age out.
//!
//! A server may close an idle connection at any time, also at the instant a request is on its way to it. Three things
//! keep that from becoming an error: a connection that shows anything before it is used is dropped (which costs no
//! system call, because the event loop has already seen it); a request that may not be repeated rides only on a
//! connection that was busy a moment ago; and one that was reset unread is sent again on a fresh connection.
//!
//! How many are kept follows the need: as many as were in use at once within the last seconds, or the configured number if
//! that is more. A fixed number below the need would open and close a connection for every other request.
//!
//! Given up: sharing idle connections between threads. It would save a few connections and cost a lock a request.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::ErrorKind,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::net::stream::{ServerStream, Socket};

#[derive(Debug)]
struct Idle {
    stream: ServerStream,
    since: u64,
}

#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: RefCell<VecDeque<Idle>>,
    in_use: Cell<usize>,
    /// The most in use at once, since the last `expire` and in the period before it.
    peak: Cell<usize>,
    peak_before: Cell<usize>,
    /// The server's move that these connections came after.
    moves: Cell<u64>,
}

impl Pool {
    /// A connection is in use.
    pub(super) fn enter(&self) {
        self.in_use.set(self.in_use.get() + 1);
        self.peak.set(self.peak.get().max(self.in_use.get()));
    }

    /// It no longer is.
    pub(super) fn leave(&self) {
        self.in_use.set(self.in_use.get() - 1);
    }

    /// Forgets connections to where the server was before its latest move.
    pub(super) fn follow(&self, moves: u64) {
        if self.moves.replace(moves) != moves {
            self.clear();
        }
    }

    /// The newest connection that is quiet and was given back at `since` (the clock's milliseconds) or later.
    pub(super) fn take(&self, since: u64) -> Option<ServerStream> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let newest = idle.back()?;
            if newest.since < since {
                return None;
            }
            let mut candidate = idle.pop_back()?;
            if is_quiet(&mut candidate.stream) {
                return Some(candidate.stream);
            }
        }
    }

    /// Keeps a connection; the oldest goes when there are more than `least` and more than are needed.
    pub(super) fn give(&self, stream: ServerStream, now: u64, least: usize) {
        let mut idle = self.idle.borrow_mut();
        idle.push_back(Idle { stream, since: now });
        if idle.len() > self.need(least) {
            idle.pop_front();
        }
    }

    fn need(&self, least: usize) -> usize {
        least.max(self.peak.get()).max(self.peak_before.get())
    }

    /// Drops connections given back before `oldest`, those whose server is done with them, and those no longer needed.
    pub(super) fn expire(&self, oldest: u64, least: usize) {
        self.peak_before.set(self.peak.replace(self.in_use.get()));
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|each| each.since >= oldest && is_quiet(&mut each.stream));
        let surplus = idle.len().saturating_sub(self.need(least));
        idle.drain(..surplus);
    }

    pub(super) fn clear(&self) {
        self.idle.borrow_mut().clear();
    }
}

/// Whether nothing has arrived: neither the end of the stream nor bytes that nobody asked for.
fn is_quiet(stream: &mut ServerStream) -> bool {
    let mut byte = [0];
    if let ServerStream::Plain(Socket::Tcp(socket)) = stream {
        return matches!(socket.try_read(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock);
    }
    let mut read = ReadBuf::new(&mut byte);
    let poll = Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut read);
    matches!(poll, Poll::Pending)
}
