//! HTTP/2 towards clients (RFC 9113).
//!
//! The `h2` crate keeps the protocol's state; here is what surrounds it. A connection is one task that reads frames, accepts
//! requests and writes; each request has a task ([`crew`]) in which the handler drives an [`exchange`]. Requests that are
//! answered at about the same time leave in one write, because the connection's task runs after theirs and hands its
//! bytes to the kernel once a round ([`wire`]).
//!
//! Who limits what
//! - `h2`: streams at once, windows, the size of a head, misbehaviour that costs it memory or ends in its own resets;
//! - [`flood`]: frames that cost time, counted by the second;
//! - [`body`], [`exchange`]: how slowly a body may come and how slowly a response may be taken, stream by stream;
//! - this file: the preface, heads that never end, a client that reads nothing at all, one that has no more to ask.
//!
//! A connection ends politely (GOAWAY, what is under way finishes) when it was idle for long or the engine stops, at once
//! when the client breaks the rules. In between nothing of it depends on the client's good will: a client that does
//! not answer the GOAWAY is left after `LINGER`.

mod body;
mod crew;
mod exchange;
mod flood;
mod request;
mod response;
mod wire;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, server};

pub use self::crew::Crew;
use self::{
    crew::Order,
    wire::{Handle, Wire},
};
use super::exchange::{Handler, Peer};
use crate::{
    engine::Thread,
    limits::Limits,
    net::{
        clock::{IDLE, Timer},
        stream::ClientStream,
    },
};

/// How long a client that is told to go may take, and how long what nobody wants any more is read.
const LINGER: Duration = Duration::from_secs(2);
/// How much is read meanwhile, of a request that is answered already or of a connection that is ended.
const DRAIN: usize = 1024 * 1024;
/// What one stream may have waiting for the socket. The socket's own buffer is what fills a long pipe; this only has to
/// last until the next round.
const SEND_BUFFER: usize = 32 * 1024;
/// Streams that the server reset lately and whose late frames are still forgiven (`h2`'s own default).
const RESET_STREAMS: usize = 50;
/// Resets that the client's errors may force on us over the connection's life (CVE-2025-8671; `h2`'s own default).
const FORCED_RESETS: usize = 1024;

/// What the streams of a connection have in common.
struct Shared {
    peer: Peer,
    thread: Rc<Thread>,
    /// Requests that are being answered.
    open: Cell<usize>,
    /// When the latest of them ended.
    ended: Cell<u64>,
}

struct Connection<S, H> {
    frames: server::Connection<Handle<S>, Bytes>,
    wire: Rc<RefCell<Wire<S>>>,
    shared: Rc<Shared>,
    crew: Rc<Crew<H>>,
    idle: Timer,
    reading: Timer,
    writing: Timer,
    /// The client was told that no more requests are taken.
    leaving: bool,
    /// It was told to go at once and is not listened to any more.
    expelled: bool,
    /// What the socket had taken when it last stopped taking.
    sent: u64,
}

/// Serves one client until either side is done.
pub async fn serve<S: ClientStream, H: Handler>(stream: S, peer: Peer, thread: Rc<Thread>, crew: Rc<Crew<H>>) {
    let wire = Rc::new(RefCell::new(Wire::new(stream, Rc::clone(&thread))));
    let timer = thread.clock.timer();
    timer.join(IDLE);
    let mut handshake = Box::pin(settings(thread.limits()).handshake(Handle(Rc::clone(&wire))));
    let rounds = poll_fn(|cx| {
        wire.borrow_mut().begin_round();
        handshake.as_mut().poll(cx)
    });
    if let Some(Ok(frames)) = timer.within(thread.limits().header_timeout, rounds).await {
        let mut connection = Connection::new(frames, Rc::clone(&wire), peer, thread, crew);
        poll_fn(|cx| connection.poll(cx)).await;
    }
    timer.join(0);
    let _ = timer
        .within(LINGER, poll_fn(|cx| wire.borrow_mut().poll_close(cx)))
        .await;
}

fn settings(limits: &Limits) -> server::Builder {
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(limits.streams)
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_header_list_size(u32::try_from(limits.head.bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESET_STREAMS)
        .max_pending_accept_reset_streams(limits.resets_per_second as usize)
        .max_local_error_reset_streams(Some(FORCED_RESETS));
    builder
}

impl<S: ClientStream, H: Handler> Connection<S, H> {
    fn new(
        frames: server::Connection<Handle<S>, Bytes>,
        wire: Rc<RefCell<Wire<S>>>,
        peer: Peer,
        thread: Rc<Thread>,
        crew: Rc<Crew<H>>,
    ) -> Self {
        let [idle, reading, writing] = [(); 3].map(|()| thread.clock.timer());
        idle.join(IDLE);
        idle.set(match thread.stopping() {
            true => Duration::ZERO,
            false => thread.limits().keep_alive_http2,
        });
        let shared = Rc::new(Shared {
            peer,
            open: Cell::new(0),
            ended: Cell::new(thread.clock.now()),
            thread,
        });
        Self {
            frames,
            wire,
            shared,
            crew,
            idle,
            reading,
            writing,
            leaving: false,
            expelled: false,
            sent: 0,
        }
    }

    /// One round: read and accept what there is, then write what came of it and of the streams' tasks.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wire.borrow_mut().begin_round();
        loop {
            match self.frames.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let shared = Rc::clone(&self.shared);
                    shared.open.set(shared.open.get() + 1);
                    self.crew.take(Order {
                        shared,
                        request,
                        respond,
                    });
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => match self.verdict() {
                    Some(reason) => self.frames.abrupt_shutdown(reason),
                    None if self.must_leave(cx) => self.frames.graceful_shutdown(),
                    None => break,
                },
            }
        }
        match self.is_written(cx) && self.is_patient(cx) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    /// Why the client must be told to go, said once.
    fn verdict(&mut self) -> Option<Reason> {
        let verdict = self.wire.borrow().verdict().filter(|_| !self.expelled);
        self.expelled |= verdict.is_some();
        verdict
    }

    /// Whether it is time to say goodbye.
    fn must_leave(&mut self, cx: &mut Context<'_>) -> bool {
        if self.leaving || self.idle.poll(cx).is_pending() {
            return false;
        }
        let Shared {
            thread, open, ended, ..
        } = &*self.shared;
        let limit = thread.limits().keep_alive_http2;
        let idle = Duration::from_millis(thread.clock.now().saturating_sub(ended.get()));
        if thread.stopping() || (open.get() == 0 && idle >= limit) {
            self.leaving = true;
            self.idle.set(LINGER);
            return true;
        }
        self.idle.set(match open.get() {
            0 => limit.saturating_sub(idle),
            _ => limit,
        });
        // Only to be woken: it was set for later.
        let _ = self.idle.poll(cx);
        false
    }

    /// Writes what it can; `false` when that will not succeed any more.
    fn is_written(&mut self, cx: &mut Context<'_>) -> bool {
        let mut wire = self.wire.borrow_mut();
        match wire.poll_drain(cx) {
            Poll::Ready(written) => {
                self.writing.clear();
                written.is_ok()
            }
            Poll::Pending => {
                if !self.writing.is_set() || wire.sent() != self.sent {
                    self.sent = wire.sent();
                    self.writing.set(match self.expelled {
                        true => LINGER,
                        false => self.shared.thread.limits().write_idle_timeout,
                    });
                }
                let patient = self.writing.poll(cx).is_pending();
                if !patient {
                    wire.abandon();
                }
                patient
            }
        }
    }

    /// Whether the client may still take its time: with a head that it began, with its goodbye.
    fn is_patient(&mut self, cx: &mut Context<'_>) -> bool {
        match (self.wire.borrow().is_amid_head(), self.reading.is_set()) {
            (true, false) => self.reading.set(self.shared.thread.limits().header_timeout),
            (false, true) => self.reading.clear(),
            _ => {}
        }
        if self.reading.poll(cx).is_ready() {
            return false;
        }
        if !self.leaving || self.idle.poll(cx).is_pending() {
            return true;
        }
        self.idle.set(LINGER);
        self.shared.open.get() > 0 && self.idle.poll(cx).is_pending()
    }
}
