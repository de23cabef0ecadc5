//! HTTP/1.1 and 1.0 towards clients (RFC 9112).
//!
//! A connection is a loop: wait for a head, let the handler answer, settle what is left of the exchange, again. It is
//! itself the [`Exchange`] it offers, because HTTP/1.1 has one at a time.
//!
//! Small pieces of a response gather in `output` and leave in one write with its head; large ones are never copied, they
//! leave behind `output` in one vectored write. While it waits for the next request a connection holds no buffer.
//!
//! Invariants
//! - `input` holds bytes of the client that no one has looked at as a whole: the rest of this body, or pipelined requests;
//! - a request is read only once the response before it is finished, so responses keep their order;
//! - what was not answered whole ends the connection, in a way that the client can see.

mod closing;
mod exchange;

use std::{
    future::poll_fn,
    io,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWriteExt;

use super::{
    exchange::{BodyError, Gone, Handler, Part, Peer, ReplyBody},
    framing::{self, Decoder},
    head::{self, BodyKind, Request, Version},
    pace::Pace,
    reply::Problem,
    spare,
};
use crate::{
    engine::Thread,
    metrics::Refused,
    net::{
        buffers::{LARGE, MEDIUM, Permit},
        clock::{IDLE, Timer},
        stream::{self, ClientStream, Piece},
    },
};

/// Room for one read: a head, a small body.
const READ: usize = 4 * 1024;
/// Up to here pieces are copied behind `output`; a copy of this size costs less than a second slice in the write.
const GATHER: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// Nothing was started.
    Awaited,
    Empty,
    Length(u64),
    /// Bytes that are left of the chunk whose size was written.
    Chunked(u64),
    UntilClose,
    /// All of it is in `output` or gone.
    Ending,
    Done,
    Broken,
}

struct Connection<S> {
    stream: S,
    peer: Peer,
    thread: Rc<Thread>,
    input: BytesMut,
    output: BytesMut,
    request: Request,
    decoder: Decoder,
    reply: Reply,
    /// The response's, 0 before it was started.
    status: u16,
    keep_alive: bool,
    /// The protocol was changed: bytes both ways, without framing.
    tunnel: bool,
    /// The last response was an error that the client may still be sending against.
    refused: bool,
    /// The client waits for 100 (Continue) before it sends its body.
    expecting: bool,
    /// To read a long body in large pieces.
    permit: Option<Permit>,
    pace: Pace,
    reading: Timer,
    writing: Timer,
}

/// Serves one client until either side is done.
///
/// The connection is boxed before the future is made, which would otherwise hold it once for each time it is moved.
pub fn serve<S: ClientStream, H: Handler>(
    stream: S,
    peer: Peer,
    thread: Rc<Thread>,
    handler: Rc<H>,
) -> impl Future<Output = ()> {
    run(Box::new(Connection::new(stream, peer, thread)), handler)
}

async fn run<S: ClientStream, H: Handler>(mut connection: Box<Connection<S>>, handler: Rc<H>) {
    let mut first = true;
    while connection.next_request(first).await {
        handler.handle(&mut *connection).await;
        if !connection.settle().await {
            break;
        }
        first = false;
    }
    connection.close().await;
}

impl<S: ClientStream> Connection<S> {
    fn new(stream: S, peer: Peer, thread: Rc<Thread>) -> Self {
        let (reading, writing) = (thread.clock.timer(), thread.clock.timer());
        Self {
            stream,
            peer,
            thread,
            input: BytesMut::new(),
            output: BytesMut::new(),
            request: Request::new(),
            decoder: Decoder::none(),
            reply: Reply::Awaited,
            status: 0,
            keep_alive: true,
            tunnel: false,
            refused: false,
            expecting: false,
            permit: None,
            pace: Pace::default(),
            reading,
            writing,
        }
    }

    /// Reads the next head; `false` when there is none, or none that could be understood.
    async fn next_request(&mut self, first: bool) -> bool {
        self.reply = Reply::Awaited;
        self.status = 0;
        self.await_first_byte(first);
        if self.input.is_empty() && !self.read_head().await {
            return false;
        }
        self.request = spare::take();
        let mut looked_at = 0;
        loop {
            // A head ends with a line feed: without a new one there is nothing new to parse. But what is no HTTP at all
            // shows with its first bytes.
            let new = self.input.get(looked_at..).unwrap_or_default();
            let first_look = looked_at == 0 && !new.is_empty();
            if first_look || memchr::memchr(b'\n', new).is_some() || self.input.len() > self.thread.limits().head.line {
                match head::parse_request(&self.input, &self.thread.limits().head, &mut self.request) {
                    Ok(Some(length)) => {
                        self.input.advance(length);
                        self.begin();
                        return true;
                    }
                    Ok(None) => {}
                    Err(refusal) => {
                        // Boxed, here and below, so that each head doesn't carry the room for a refusal.
                        Box::pin(self.refuse(refusal.into())).await;
                        return false;
                    }
                }
            }
            looked_at = self.input.len();
            if !self.read_head().await {
                return false;
            }
        }
    }

    /// The time for a head runs from its first byte, or from the connection's beginning.
    fn await_first_byte(&mut self, first: bool) {
        let limits = self.thread.limits();
        let quiet = self.input.is_empty();
        self.reading.set(match quiet && !first {
            true => limits.keep_alive,
            false => limits.header_timeout,
        });
        self.reading.join(if quiet { IDLE } else { 0 });
    }

    async fn read_head(&mut self) -> bool {
        let quiet = self.input.is_empty();
        if quiet && self.thread.stopping() {
            return self.leave();
        }
        let read = poll_fn(|cx| match self.poll_fill(cx, READ) {
            Poll::Pending => self.reading.poll(cx).map(|()| None),
            Poll::Ready(read) => Poll::Ready(Some(read)),
        });
        match read.await {
            Some(Ok(length)) if length > 0 => {
                if quiet {
                    self.reading.set(self.thread.limits().header_timeout);
                    self.reading.join(0);
                }
                true
            }
            None if !quiet => {
                let slow = Problem::new(
                    Refused::RequestTimeout,
                    "The request's header fields took too long to arrive.",
                );
                Box::pin(self.refuse(slow)).await;
                false
            }
            _ => self.leave(),
        }
    }

    /// Between requests there is nothing to break.
    fn leave(&mut self) -> bool {
        self.reply = Reply::Done;
        false
    }

    fn begin(&mut self) {
        self.thread.counters().requests_http1.add(1);
        self.reading.clear();
        self.reading.join(0);
        self.tunnel = false;
        self.decoder = match self.request.body {
            BodyKind::None => Decoder::none(),
            BodyKind::Length(length) => Decoder::length(length),
            BodyKind::Chunked => Decoder::chunked(self.thread.limits().head),
        };
        self.keep_alive = self.request.keep_alive && !self.thread.stopping();
        self.expecting = self.request.expect_continue;
        self.pace = Pace::default();
    }

    async fn refuse(&mut self, problem: Problem) {
        self.refused = true;
        self.request.clear();
        self.thread.counters().refuse(problem.why);
        problem.send(self, None).await;
    }

    /// Reads once into `input`, borrowing a buffer for as long as there is something in it.
    fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        if self.input.capacity() == 0 {
            self.input = self.thread.buffers.take();
        }
        self.thread.buffers.make_room(&mut self.input, room);
        let poll = stream::poll_read(&mut self.stream, cx, &mut self.input);
        if poll.is_pending() && self.input.is_empty() {
            self.thread.buffers.give(std::mem::take(&mut self.input));
        }
        if let Poll::Ready(Ok(length)) = poll {
            self.thread.counters().bytes_received.add(length as u64);
        }
        poll
    }

    /// Writes `output` and then `data`; ready when both are empty.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut impl Piece) -> Poll<Result<(), Gone>> {
        while !self.output.is_empty() || !data.is_empty() {
            match stream::poll_write(&mut self.stream, cx, &mut self.output, data) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    self.thread.counters().bytes_sent.add(length as u64);
                    self.writing.clear();
                }
                Poll::Ready(_) => return Poll::Ready(Err(self.lost())),
                Poll::Pending => return self.poll_patience(cx),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The client does not read: how long that is borne.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if !self.writing.is_set() {
            self.writing.set(self.thread.limits().write_idle_timeout);
        }
        ready!(self.writing.poll(cx));
        Poll::Ready(Err(self.lost()))
    }

    fn lost(&mut self) -> Gone {
        self.reply = Reply::Broken;
        self.keep_alive = false;
        Gone
    }

    /// Takes bytes of the response's body, as its framing wants them.
    fn poll_take(&mut self, cx: &mut Context<'_>, data: &mut impl Piece) -> Poll<Result<(), Gone>> {
        let length = data.len() as u64;
        match self.reply {
            Reply::Length(left) if length > left => return Poll::Ready(Err(self.lost())),
            Reply::Chunked(0) if length > 0 => {
                framing::encode_chunk_prefix(&mut self.output, data.len());
                self.reply = Reply::Chunked(length);
            }
            _ => {}
        }
        let sent = if self.output.len() + data.len() <= GATHER {
            self.output.extend_from_slice(data);
            data.clear();
            Poll::Ready(Ok(()))
        } else {
            self.poll_send(cx, data)
        };
        let taken = length - data.len() as u64;
        match &mut self.reply {
            Reply::Length(left) => *left -= taken,
            Reply::Chunked(left) if taken > 0 => {
                *left -= taken;
                if *left == 0 {
                    self.output.extend_from_slice(framing::CHUNK_END);
                }
            }
            _ => {}
        }
        sent
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut nothing = BytesMut::new();
        ready!(self.poll_send(cx, &mut nothing))?;
        let flushed = std::pin::pin!(self.stream.flush()).poll(cx);
        match flushed {
            Poll::Ready(Ok(())) => {
                self.writing.clear();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(self.lost())),
            Poll::Pending => self.poll_patience(cx),
        }
    }

    fn poll_raw(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<Result<Part, BodyError>> {
        if self.input.is_empty() {
            match ready!(self.poll_fill(cx, READ)) {
                Ok(0) => return Poll::Ready(Ok(Part::End)),
                Ok(_) => {}
                Err(_) => return Poll::Ready(Err(BodyError::Gone)),
            }
        }
        into.unsplit(self.input.split());
        Poll::Ready(Ok(Part::Data))
    }

    /// Waits for more of a body, no longer and no slower than the limits say.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let now = self.thread.clock.now();
        let room = match self.decoder.remaining() {
            Some(left) if left <= READ as u64 => READ,
            Some(left) if left <= MEDIUM as u64 => MEDIUM,
            _ => self.body_room(),
        };
        match self.poll_fill(cx, room) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(BodyError::Gone)),
            Poll::Ready(Ok(length)) => {
                self.reading.clear();
                self.pace.arrived(length as u64, now);
                match self
                    .pace
                    .is_too_slow(self.thread.limits().body_min_rate, self.thread.limits().body_grace)
                {
                    true => Poll::Ready(Err(BodyError::TooSlow)),
                    false => Poll::Ready(Ok(())),
                }
            }
            Poll::Pending => {
                if self.pace.wait(now) {
                    self.reading.set(self.thread.limits().body_idle_timeout);
                }
                ready!(self.reading.poll(cx));
                Poll::Ready(Err(BodyError::TooSlow))
            }
        }
    }

    fn body_room(&mut self) -> usize {
        if self.permit.is_none() {
            self.permit = self.thread.buffers.permit();
            if self.permit.is_some() {
                self.stream.set_piece(LARGE);
            }
        }
        self.permit.as_ref().map_or(MEDIUM, |_| LARGE)
    }

    fn write_connection(&mut self, tunnel: bool) {
        let out = &mut self.output;
        match (tunnel, self.keep_alive, self.request.version) {
            (true, ..) => {
                out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
                out.extend_from_slice(self.request.upgrade_token());
                out.extend_from_slice(b"\r\n");
            }
            (_, false, _) => out.extend_from_slice(b"Connection: close\r\n"),
            (_, true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (_, true, _) => {}
        }
    }

    /// What follows from the announced body for the framing of this client's version.
    fn write_framing(&mut self, body: ReplyBody) {
        self.reply = match body {
            ReplyBody::Empty(None) => Reply::Empty,
            ReplyBody::Empty(Some(length)) => {
                write_length(&mut self.output, length);
                Reply::Empty
            }
            ReplyBody::Length(length) => {
                write_length(&mut self.output, length);
                Reply::Length(length)
            }
            ReplyBody::Streamed if self.request.version == Version::Http10 => {
                self.keep_alive = false;
                Reply::UntilClose
            }
            ReplyBody::Streamed => {
                self.output.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                Reply::Chunked(0)
            }
            ReplyBody::Tunnel => {
                self.keep_alive = false;
                self.tunnel = true;
                Reply::UntilClose
            }
        };
    }
}

fn write_length(out: &mut BytesMut, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    head::write_decimal(out, length);
    out.extend_from_slice(b"\r\n");
}
