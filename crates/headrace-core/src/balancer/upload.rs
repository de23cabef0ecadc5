//! The request on its way to the server: the head, rewritten, and the body behind it.
//!
//! The head and the first bytes of the body leave in one write. They are kept, up to `REPLAY` bytes, so that the request
//! can be sent again; what comes after streams through and is gone.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::AsyncWrite;

use crate::{
    http::{
        exchange::{BodyError, Exchange, Part},
        framing,
        head::BodyKind,
    },
    net::stream,
};

/// The most that is kept for sending a request again.
const REPLAY: usize = 64 * 1024;
/// Up to here the pieces of a chunk are copied together.
const GATHER: usize = 16 * 1024;

#[derive(Debug)]
pub(super) enum UploadError {
    /// The client did not deliver.
    Client(BodyError),
    /// The body is larger than its route takes.
    TooLarge,
    /// The server did not take it.
    Server(io::Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Plain,
    Chunked,
    /// After a change of protocol; the client's end closes our half of the connection.
    Tunnel,
}

#[derive(Debug)]
pub(super) struct Upload {
    /// The head and what of the body was framed behind it; `sent` bytes of it are with the server.
    kept: BytesMut,
    sent: usize,
    /// Whether `kept` is all that was ever sent.
    whole: bool,
    /// A piece of the body between its framing.
    frame: BytesMut,
    data: BytesMut,
    tail: BytesMut,
    framing: Framing,
    /// Everything is framed.
    complete: bool,
    /// Everything is with the server.
    finished: bool,
    /// The server shall say 100 (Continue) first.
    expecting: bool,
    left: u64,
    moved: u64,
}

impl Upload {
    /// `head` is the rewritten head, `most` the largest body in bytes.
    pub(super) fn new(head: BytesMut, body: BodyKind, expecting: bool, most: u64) -> Self {
        let framing = match body {
            BodyKind::Chunked => Framing::Chunked,
            _ => Framing::Plain,
        };
        Self {
            kept: head,
            sent: 0,
            whole: true,
            frame: BytesMut::new(),
            data: BytesMut::new(),
            tail: BytesMut::new(),
            framing,
            complete: matches!(body, BodyKind::None | BodyKind::Length(0)),
            finished: false,
            expecting,
            left: most,
            moved: 0,
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn is_expecting(&self) -> bool {
        self.expecting
    }

    /// The server wants the body, or has not said so for too long.
    pub(super) fn proceed(&mut self) {
        self.expecting = false;
    }

    /// Nothing more is sent: the server answers already, or is gone.
    pub(super) fn abandon(&mut self) {
        self.finished = true;
    }

    /// Whether the server has all of it.
    pub(super) fn is_whole(&self) -> bool {
        self.finished && self.complete && !self.expecting
    }

    /// Bytes of the body that came so far; grows while the upload makes progress.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether the request can be sent once more from its beginning.
    pub(super) fn can_replay(&self) -> bool {
        self.whole
    }

    pub(super) fn rewind(&mut self) {
        self.sent = 0;
        self.finished = false;
    }

    /// From now on the client's bytes go through as they are.
    pub(super) fn tunnel(&mut self) {
        self.framing = Framing::Tunnel;
        self.complete = false;
        self.finished = false;
        self.whole = false;
        self.left = u64::MAX;
    }

    /// A tunnel's end by us: what is here leaves, and then our half of the connection closes.
    pub(super) fn hang_up(&mut self) {
        self.complete = true;
    }

    /// The buffers, for reuse.
    pub(super) fn into_buffers(self) -> [BytesMut; 2] {
        [self.kept, self.data]
    }

    /// Sends what there is and what the client brings. Ready when all of it is sent.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut impl Exchange,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), UploadError>> {
        if self.sent == 0 && !self.complete && !self.expecting {
            // What of the body is here already goes with the head; more may still come.
            while self.whole && !self.complete && self.kept.len() < REPLAY {
                match self.poll_read(cx, exchange) {
                    Poll::Ready(read) => read?,
                    Poll::Pending => break,
                }
            }
        }
        loop {
            ready!(self.poll_write(cx, stream)).map_err(UploadError::Server)?;
            if self.complete {
                self.finished = true;
                return Poll::Ready(Ok(()));
            }
            if self.expecting {
                return Poll::Pending;
            }
            ready!(self.poll_read(cx, exchange))?;
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, stream: &mut (impl AsyncWrite + Unpin)) -> Poll<io::Result<()>> {
        while let Some(rest) = self.kept.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        while !(self.frame.is_empty() && self.data.is_empty() && self.tail.is_empty()) {
            let (first, second) = match self.data.is_empty() {
                true => (&mut self.frame, &mut self.tail),
                false => (&mut self.frame, &mut self.data),
            };
            if ready!(stream::poll_write(stream, cx, first, second))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        if self.framing == Framing::Tunnel && self.complete {
            return Pin::new(stream).poll_shutdown(cx);
        }
        Pin::new(stream).poll_flush(cx)
    }

    /// Reads a piece of the body and frames it. Only called when all before it was written, or is in `kept`.
    fn poll_read(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Poll<Result<(), UploadError>> {
        let part = ready!(exchange.poll_body(cx, &mut self.data)).map_err(UploadError::Client)?;
        let length = self.data.len();
        self.left = self.left.checked_sub(length as u64).ok_or(UploadError::TooLarge)?;
        self.moved += length as u64;
        self.complete = part == Part::End;
        if self.framing == Framing::Chunked {
            if length > 0 {
                framing::encode_chunk_prefix(&mut self.frame, length);
                self.tail.extend_from_slice(framing::CHUNK_END);
            }
            if self.complete {
                framing::encode_last_chunk(&mut self.tail, exchange.trailers());
            }
        }
        self.gather();
        Poll::Ready(Ok(()))
    }

    /// Copies small pieces together: behind the head while all is kept, else into one write.
    fn gather(&mut self) {
        let length = self.frame.len() + self.data.len() + self.tail.len();
        self.whole &= self.kept.len() + length <= REPLAY;
        if self.whole {
            self.kept.extend_from_slice(&self.frame);
            self.frame.clear();
        }
        if self.whole || (length <= GATHER && self.framing == Framing::Chunked) {
            let into = if self.whole { &mut self.kept } else { &mut self.frame };
            into.extend_from_slice(&self.data);
            into.extend_from_slice(&self.tail);
            self.data.clear();
            self.tail.clear();
        }
    }
}
