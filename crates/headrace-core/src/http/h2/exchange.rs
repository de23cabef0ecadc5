//! One stream: a request and its response as a handler sees them.
//!
//! What is written waits in `h2` until the connection's task sends it, so nothing here touches the socket and a flush has
//! nothing to do. `h2` is given only what the client's windows and its own small buffer have room for.
//!
//! A response ends with `END_STREAM`, with its last byte where its length is known. One that is dropped before is reset, so
//! that it cannot be taken for whole; a request whose rest nobody wants is reset by `h2` after the response, without
//! blame (RFC 9113, 8.1), if the response is an error a while after it.

use std::{
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use h2::{Reason, SendStream, server::SendResponse};
use tokio::task::yield_now;

use super::{Shared, body::Body, crew::Order, request, response};
use crate::{
    http::{
        exchange::{BodyError, Exchange, Gone, Part, Peer, ReplyBody},
        fields::{Field, Fields},
        head::{Refusal, Request},
        spare,
    },
    metrics::Refused,
    net::clock::Timer,
};

/// Up to here a piece is copied, which leaves the handler its buffer; a longer one is given away with it.
const COPY: usize = 4 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// Nothing was started.
    Awaited,
    /// Bytes that are left.
    Length(u64),
    Streamed,
    Done,
    Broken,
}

pub(super) struct Stream {
    shared: Rc<Shared>,
    request: Request,
    body: Body,
    respond: SendResponse<Bytes>,
    frames: Option<SendStream<Bytes>>,
    reply: Reply,
    /// The response's, 0 before it was started.
    status: u16,
    /// The client waits for 100 (Continue) before it sends its body.
    expecting: bool,
    patience: Option<Timer>,
}

impl Stream {
    /// The stream of an order, and why it is not to be handled, if so.
    pub(super) fn new(order: Order) -> (Self, Option<Refusal>) {
        let Order {
            shared,
            request,
            respond,
        } = order;
        shared.thread.counters().requests_http2.add(1);
        let (head, frames) = request.into_parts();
        let mut stream = Self {
            request: spare::take(),
            body: Body::new(frames, Rc::clone(&shared.thread)),
            shared,
            respond,
            frames: None,
            reply: Reply::Awaited,
            status: 0,
            expecting: false,
            patience: None,
        };
        let read = request::read(
            &head,
            stream.body.is_ended(),
            &stream.shared.thread.limits().head,
            &mut stream.request,
        );
        stream.body.expect(stream.request.body);
        stream.expecting = stream.request.expect_continue;
        (stream, read.err())
    }

    pub(super) fn refused(&self, why: Refused) {
        self.shared.thread.counters().refuse(why);
    }

    /// Ends what the handler left unfinished. A reset would overtake what was written just before, so the connection's
    /// task goes first.
    pub(super) async fn settle(&mut self) {
        match self.reply {
            // Only an error is likely to surprise a client that is still sending.
            Reply::Done if self.status >= 400 => self.body.discard().await,
            Reply::Awaited | Reply::Done => {}
            _ => yield_now().await,
        }
    }

    fn lost(&mut self) -> Gone {
        self.reply = Reply::Broken;
        Gone
    }

    /// How many of `wanted` bytes may be sent now.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Option<usize>> {
        let Some(frames) = &mut self.frames else {
            return Poll::Ready(None);
        };
        frames.reserve_capacity(wanted);
        let room = match frames.capacity() {
            0 => frames.poll_capacity(cx),
            room => Poll::Ready(Some(Ok(room))),
        };
        match room {
            Poll::Ready(room) => {
                if let Some(patience) = &self.patience {
                    patience.clear();
                }
                Poll::Ready(room.and_then(Result::ok))
            }
            Poll::Pending => {
                let thread = &self.shared.thread;
                let patience = self.patience.get_or_insert_with(|| thread.clock.timer());
                if !patience.is_set() {
                    patience.set(thread.limits().write_idle_timeout);
                }
                patience.poll(cx).map(|()| None)
            }
        }
    }

    /// How many of the next `length` bytes of the body may be sent now.
    fn poll_piece(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<Result<usize, Gone>> {
        match self.reply {
            Reply::Length(left) if length as u64 <= left => {}
            Reply::Streamed => {}
            _ => return Poll::Ready(Err(self.lost())),
        }
        match ready!(self.poll_room(cx, length)) {
            Some(room) => Poll::Ready(Ok(room.min(length))),
            None => Poll::Ready(Err(self.lost())),
        }
    }

    fn send(&mut self, piece: Bytes) -> Result<(), Gone> {
        let ends = match &mut self.reply {
            Reply::Length(left) => {
                *left -= piece.len() as u64;
                *left == 0
            }
            _ => false,
        };
        let sent = self.frames.as_mut().map(|frames| frames.send_data(piece, ends));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.lost());
        }
        if ends {
            self.reply = Reply::Done;
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<&Fields>) -> Option<()> {
        let frames = self.frames.as_mut()?;
        match trailers {
            Some(fields) => frames.send_trailers(response::trailers(fields)?).ok(),
            None => frames.send_data(Bytes::new(), true).ok(),
        }
    }
}

impl Exchange for Stream {
    fn request(&self) -> &Request {
        &self.request
    }

    fn peer(&self) -> &Peer {
        &self.shared.peer
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<Result<Part, BodyError>> {
        let poll = self.body.poll(cx, into);
        if poll.is_pending() && self.expecting {
            self.interim(100, std::iter::empty());
        }
        poll
    }

    fn trailers(&self) -> Option<&Fields> {
        self.body.trailers()
    }

    fn interim<'f>(&mut self, status: u16, fields: impl Iterator<Item = Field<'f>>) {
        if self.started() {
            return;
        }
        if status == 100 {
            self.expecting = false;
        }
        if let Some(head) = response::interim(status, fields) {
            // A client that is gone misses nothing; the final response finds out.
            let _ = self.respond.send_informational(head);
        }
    }

    fn start<'f>(&mut self, status: u16, _: &[u8], fields: impl Iterator<Item = Field<'f>>, body: ReplyBody) {
        let thread = &self.shared.thread;
        thread.counters().responded(status);
        self.status = status;
        let ends = matches!(body, ReplyBody::Empty(_) | ReplyBody::Length(0));
        let date = || thread.with_date(response::date_value);
        self.frames =
            response::head(status, fields, body, date).and_then(|head| self.respond.send_response(head, ends).ok());
        self.reply = match body {
            _ if self.frames.is_none() => Reply::Broken,
            _ if ends => Reply::Done,
            ReplyBody::Length(length) => Reply::Length(length),
            _ => Reply::Streamed,
        };
    }

    fn started(&self) -> bool {
        self.reply != Reply::Awaited
    }

    fn status(&self) -> u16 {
        self.status
    }

    /// Data frames are 16 KiB at most.
    fn wants_large_pieces(&mut self) -> bool {
        false
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut BytesMut) -> Poll<Result<(), Gone>> {
        while !data.is_empty() {
            let piece = match ready!(self.poll_piece(cx, data.len()))? {
                all if all == data.len() && all <= COPY => {
                    let copy = Bytes::copy_from_slice(data);
                    data.clear();
                    copy
                }
                part => data.split_to(part).freeze(),
            };
            self.send(piece)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_shared(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), Gone>> {
        while !data.is_empty() {
            let piece = ready!(self.poll_piece(cx, data.len()))?;
            self.send(data.split_to(piece))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, trailers: Option<&Fields>) -> Poll<Result<(), Gone>> {
        let ended = match self.reply {
            Reply::Done => Some(()),
            Reply::Streamed => self.end(trailers),
            _ => None,
        };
        Poll::Ready(match ended {
            Some(()) => {
                self.reply = Reply::Done;
                Ok(())
            }
            None => Err(self.lost()),
        })
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.frames {
            _ if self.reply == Reply::Done => Poll::Pending,
            Some(frames) => frames.poll_reset(cx).map(|_| ()),
            None => self.respond.poll_reset(cx).map(|_| ()),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.reply != Reply::Done {
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        }
        let shared = &self.shared;
        shared.open.set(shared.open.get() - 1);
        shared.ended.set(shared.thread.clock.now());
        spare::give(std::mem::take(&mut self.request));
    }
}
