//! A connection as the exchange it is at: bodies in, responses out.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Connection, Reply, closing::DRAIN};
use crate::{
    http::{
        exchange::{BodyError, Exchange, Gone, Part, Peer, ReplyBody},
        fields::{Field, Fields, Lines},
        framing::{self, Decoded},
        head::{self, Request, Version},
        reply::{is_date, reason},
    },
    net::{
        buffers::LARGE,
        pipe::Pipe,
        stream::{self, ClientStream},
    },
};

/// How often a request that takes long is looked at for whether its client still wants the answer.
const LOOK_FOR_RESET: Duration = Duration::from_secs(1);

impl<S: ClientStream> Exchange for Connection<S> {
    fn request(&self) -> &Request {
        &self.request
    }

    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<Result<Part, BodyError>> {
        if self.tunnel {
            return self.poll_raw(cx, into);
        }
        loop {
            match self.decoder.decode(&mut self.input, into) {
                Ok(Decoded::Data) => return Poll::Ready(Ok(Part::Data)),
                Ok(Decoded::End) => return Poll::Ready(Ok(Part::End)),
                Ok(Decoded::More) => {}
                Err(error) => {
                    self.keep_alive = false;
                    return Poll::Ready(Err(BodyError::Malformed(error.message())));
                }
            }
            if std::mem::take(&mut self.expecting) {
                self.interim(100, std::iter::empty());
                // Whoever reads a body has nothing else to write yet; what is not taken now goes with the response.
                let _ = self.poll_flush(cx);
            }
            if let Err(error) = ready!(self.poll_more(cx)) {
                self.keep_alive = false;
                return Poll::Ready(Err(error));
            }
        }
    }

    fn trailers(&self) -> Option<&Fields> {
        self.decoder.trailers()
    }

    fn interim<'f>(&mut self, status: u16, fields: impl Iterator<Item = Field<'f>>) {
        if self.request.version == Version::Http10 || self.started() {
            return;
        }
        if status == 100 {
            self.expecting = false;
        }
        head::write_status_line(&mut self.output, status, reason(status).as_bytes());
        fields.for_each(|field| field.write(&mut self.output));
        self.output.extend_from_slice(b"\r\n");
    }

    fn close_after(&mut self) {
        self.keep_alive = false;
    }

    fn leave_body(&mut self) {
        if self.decoder.remaining().is_none_or(|left| left > DRAIN as u64) {
            self.keep_alive = false;
        }
    }

    fn start<'f>(&mut self, status: u16, phrase: &[u8], fields: impl Iterator<Item = Field<'f>>, body: ReplyBody) {
        self.start_ready(status, phrase, Lines::default(), fields, body);
    }

    fn start_ready<'f>(
        &mut self,
        status: u16,
        phrase: &[u8],
        ready: Lines<'f>,
        fields: impl Iterator<Item = Field<'f>>,
        body: ReplyBody,
    ) {
        if self.output.capacity() == 0 {
            self.output = self.thread.buffers.take();
        }
        self.thread.counters().responded(status);
        self.status = status;
        // From here on a client that waits for 100 may not send its body at all: the connection's state is unknown.
        if self.expecting || self.thread.stopping() {
            self.keep_alive = false;
        }
        head::write_status_line(&mut self.output, status, phrase);
        self.output.extend_from_slice(ready.text());
        let mut dated = ready.is_dated();
        fields.for_each(|field| {
            dated |= is_date(&field);
            field.write(&mut self.output);
        });
        if !dated {
            self.output.extend_from_slice(b"Date: ");
            self.thread.with_date(|date| self.output.extend_from_slice(date));
            self.output.extend_from_slice(b"\r\n");
        }
        self.write_framing(body);
        self.write_connection(body == ReplyBody::Tunnel);
        self.output.extend_from_slice(b"\r\n");
    }

    fn started(&self) -> bool {
        self.reply != Reply::Awaited
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn wants_large_pieces(&mut self) -> bool {
        self.body_room() == LARGE
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut BytesMut) -> Poll<Result<(), Gone>> {
        self.poll_take(cx, data)
    }

    fn poll_write_shared(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), Gone>> {
        self.poll_take(cx, data)
    }

    fn can_splice(&self) -> bool {
        self.stream.plain().is_some() && matches!(self.reply, Reply::Length(_))
    }

    fn poll_splice(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<Result<(), Gone>> {
        ready!(self.poll_send(cx, &mut BytesMut::new()))?;
        while !pipe.is_empty() {
            let (Some(socket), Reply::Length(left)) = (self.stream.plain(), self.reply) else {
                return Poll::Ready(Err(self.lost()));
            };
            match pipe.poll_drain(cx, socket) {
                Poll::Ready(Ok(length)) if length > 0 && length as u64 <= left => {
                    self.reply = Reply::Length(left - length as u64);
                    self.thread.counters().bytes_sent.add(length as u64);
                    self.writing.clear();
                }
                Poll::Ready(_) => return Poll::Ready(Err(self.lost())),
                Poll::Pending => return self.poll_patience(cx),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_drain(cx)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: Option<&Fields>) -> Poll<Result<(), Gone>> {
        match self.reply {
            Reply::Chunked(_) => framing::encode_last_chunk(&mut self.output, trailers),
            Reply::Length(left) if left > 0 => return Poll::Ready(Err(self.lost())),
            Reply::Awaited | Reply::Broken => return Poll::Ready(Err(self.lost())),
            _ => {}
        }
        self.reply = Reply::Ending;
        ready!(self.poll_drain(cx))?;
        if self.tunnel && ready!(std::pin::pin!(self.stream.shutdown()).poll(cx)).is_err() {
            return Poll::Ready(Err(self.lost()));
        }
        self.reply = Reply::Done;
        Poll::Ready(Ok(()))
    }

    /// The end of what the client sends may be a half-close; only a reset says that it wants no answer. Nobody waits for
    /// that on the socket, so it is looked for now and then: requests that take so long can bear a system call. Where the
    /// client's body is waited for, the read finds it.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_connection(cx, stream::was_reset)
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_connection(cx, stream::was_ended)
    }
}

impl<S: ClientStream> Connection<S> {
    /// Ready when the connection `is_over`, which is looked at now and then.
    fn poll_connection(&mut self, cx: &mut Context<'_>, is_over: fn(&TcpStream) -> bool) -> Poll<()> {
        if self.tunnel || self.pace.is_waiting() {
            return Poll::Pending;
        }
        loop {
            if !self.reading.is_set() {
                self.reading.set(LOOK_FOR_RESET);
            }
            ready!(self.reading.poll(cx));
            self.reading.clear();
            if is_over(self.stream.socket()) {
                return Poll::Ready(());
            }
        }
    }
}
