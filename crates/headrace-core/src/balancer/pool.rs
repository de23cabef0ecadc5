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
//! Given up: sharing idle connections between threads. It would save a few connections and cost a lock a request.

use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::net::stream::ServerStream;

#[derive(Debug)]
struct Idle {
    stream: ServerStream,
    since: u64,
}

#[derive(Debug, Default)]
pub(super) struct Pool(RefCell<VecDeque<Idle>>);

impl Pool {
    /// The newest connection that is quiet and was given back at `since` (the clock's milliseconds) or later.
    pub(super) fn take(&self, since: u64) -> Option<ServerStream> {
        let mut idle = self.0.borrow_mut();
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

    /// Keeps a connection; the oldest goes when there are more than `most`.
    pub(super) fn give(&self, stream: ServerStream, now: u64, most: usize) {
        let mut idle = self.0.borrow_mut();
        idle.push_back(Idle { stream, since: now });
        if idle.len() > most {
            idle.pop_front();
        }
    }

    /// Drops connections given back before `oldest`, and those whose server is done with them.
    pub(super) fn expire(&self, oldest: u64) {
        self.0
            .borrow_mut()
            .retain_mut(|each| each.since >= oldest && is_quiet(&mut each.stream));
    }

    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// Whether nothing has arrived: neither the end of the stream nor bytes that nobody asked for.
fn is_quiet(stream: &mut ServerStream) -> bool {
    let mut byte = [0];
    let mut read = ReadBuf::new(&mut byte);
    let poll = Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut read);
    matches!(poll, Poll::Pending)
}
