//! One request and its response, as a handler sees them whatever the protocol version.
//!
//! A handler is polled with `&mut Exchange` and moves bytes in both directions at once; that is why the calls are poll
//! functions and not futures: two futures could not borrow the exchange at the same time.
//!
//! The order that must hold for a response: any number of `interim`, one `start`, any number of `poll_write`, one
//! `poll_finish`. A handler that stops in between has broken the response, and the protocol shows the break to the
//! client: a reset stream, a chunked body without its last chunk, a closed connection.

use std::{
    net::IpAddr,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};

use super::{
    fields::{Field, Fields, Lines},
    head::Request,
};
use crate::net::pipe::Pipe;

/// The other end of a client's connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub ip: IpAddr,
    /// `ip` as it is written into `X-Forwarded-For`, made once a connection.
    pub ip_text: String,
    /// Whether the client came over TLS.
    pub secure: bool,
}

/// What a poll of the request's body brought.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Part {
    /// At least one byte was appended.
    Data,
    /// The body is complete, perhaps with bytes that were appended now; `Exchange::trailers` has what came after it.
    End,
}

/// Why a request's body will not be complete.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum BodyError {
    /// The client is gone or reset the stream.
    Gone,
    /// It sent nothing, or too little, for too long: 408.
    TooSlow,
    /// Its framing is wrong: 400.
    Malformed(&'static str),
}

/// The client can no longer be written to: gone, reset, or not reading for too long.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Gone;

/// How much body follows a response head.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum ReplyBody {
    /// None follows. A length is still told where the server told one (HEAD, 304: RFC 9110, 8.6).
    Empty(Option<u64>),
    /// Exactly so many bytes.
    Length(u64),
    /// Unknown until it ends.
    Streamed,
    /// The protocol changes (101, or 200 to an extended CONNECT): bytes both ways, without framing, until the ends close.
    Tunnel,
}

pub trait Exchange {
    fn request(&self) -> &Request;

    fn peer(&self) -> &Peer;

    /// Appends decoded bytes of the request's body to `into`. After `Part::End` it keeps saying so.
    /// In a tunnel these are the client's raw bytes, and `End` its half-close.
    fn poll_body(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<Result<Part, BodyError>>;

    /// Trailers of the request, once `poll_body` said `End`.
    fn trailers(&self) -> Option<&Fields>;

    /// Queues an interim response (1xx but 101). Dropped for clients that cannot take one.
    fn interim<'f>(&mut self, status: u16, fields: impl Iterator<Item = Field<'f>>);

    /// The connection shall end with this response, where it carries one exchange at a time. Before `start`.
    fn close_after(&mut self) {}

    /// Nobody will read the rest of the request's body: where that is the connection's end, the response says so. Before
    /// `start`.
    fn leave_body(&mut self) {}

    /// The body that `start` announces depends on which codings the request accepts, by the doing of whoever compresses it.
    /// `alone`: and not by the server's. For who keeps responses; before `start`.
    fn varies_by_coding(&mut self, _alone: bool) {}

    /// Queues the final response's head; `fields` are end-to-end ones without framing.
    fn start<'f>(&mut self, status: u16, reason: &[u8], fields: impl Iterator<Item = Field<'f>>, body: ReplyBody);

    /// `start` with fields of which most lie ready.
    fn start_ready<'f>(
        &mut self,
        status: u16,
        reason: &[u8],
        ready: Lines<'f>,
        fields: impl Iterator<Item = Field<'f>>,
        body: ReplyBody,
    ) {
        self.start(status, reason, ready.fields().chain(fields), body);
    }

    /// Whether `start` was called: from then on no other response can be given.
    fn started(&self) -> bool;

    /// The status that `start` was given; 0 before.
    fn status(&self) -> u16;

    /// Asks for the right to write the response's body in large pieces, where they leave as they are and so are cheaper.
    /// Whether there is one left.
    fn wants_large_pieces(&mut self) -> bool;

    /// Takes bytes of the response's body out of `data`; ready when all of it was taken. Taken bytes may wait for
    /// `poll_flush`. Waits no longer than the listener's write time-out.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut BytesMut) -> Poll<Result<(), Gone>>;

    /// The same with bytes that others hold as well: many of them are not copied.
    fn poll_write_shared(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), Gone>>;

    /// Whether the response's body could go to the client without passing through this process.
    fn can_splice(&self) -> bool {
        false
    }

    /// Takes all that `pipe` holds as bytes of the response's body, like `poll_write`. Only where `can_splice`.
    fn poll_splice(&mut self, _cx: &mut Context<'_>, _pipe: &mut Pipe) -> Poll<Result<(), Gone>> {
        Poll::Ready(Err(Gone))
    }

    /// Hands everything queued to the kernel. Call it before waiting for more of the response.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;

    /// Ends the response (in a tunnel: half-closes) and flushes.
    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: Option<&Fields>) -> Poll<Result<(), Gone>>;

    /// Ready when the client has visibly given the request up: an HTTP/2 reset, or that of the connection. Whoever only
    /// closes its half over HTTP/1.1 still waits for the answer.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The same for an answer without an end, of which nobody waits for the end: ready as well when the client has closed
    /// its half.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_gone(cx)
    }
}

/// A part of headrace that answers requests. One instance per engine thread.
pub trait Handler: 'static {
    /// Answers one request. Returning without having finished the response breaks it visibly.
    fn handle<X: Exchange>(&self, exchange: &mut X) -> impl Future<Output = ()>;
}
