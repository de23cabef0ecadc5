//! A client's byte stream as the `h2` crate sees it, and as the connection's task drives it.
//!
//! `h2` flushes whenever its own small buffer is full, and over TLS each flush is a record and a system call. So what it
//! writes gathers here, a flush does nothing, and the connection's task drains once a round, after every stream has had
//! its turn. Large pieces are not copied: they leave behind what is gathered in one vectored write.
//!
//! Reading, the wire counts frames for the flood limits, and asks the socket no more than once in a round after it
//! had nothing.
//!
//! Invariants
//! - never more than `RECORD` bytes are held back from the kernel;
//! - while nothing waits to be written, no buffer is held.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    iter,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{DRAIN, flood::Meter};
use crate::{engine::Thread, net::stream::ClientStream};

/// What a TLS record holds at most. Up to here writes are gathered; what is larger is written in multiples of it, because
/// a frame of 16 KiB with its head would else be followed by a record of nine bytes.
const RECORD: usize = 16 * 1024;

pub(super) struct Wire<S> {
    stream: S,
    thread: Rc<Thread>,
    meter: Meter,
    output: BytesMut,
    /// The socket had nothing to read in this round; it wakes the task when it has.
    exhausted: bool,
    /// The client sends no more.
    ended: bool,
    /// Something too large to be gathered waits for the socket.
    blocked: bool,
    /// The client does not read what it is sent.
    abandoned: bool,
    /// Bytes that the socket took.
    sent: u64,
    /// Bytes that were read for nothing while closing.
    waste: usize,
}

impl<S: ClientStream> Wire<S> {
    pub(super) fn new(stream: S, thread: Rc<Thread>) -> Self {
        Self {
            meter: Meter::new(thread.limits()),
            stream,
            thread,
            output: BytesMut::new(),
            exhausted: false,
            ended: false,
            blocked: false,
            abandoned: false,
            sent: 0,
            waste: 0,
        }
    }

    pub(super) fn begin_round(&mut self) {
        self.exhausted = false;
        self.blocked = false;
    }

    pub(super) fn verdict(&self) -> Option<Reason> {
        self.meter.verdict()
    }

    pub(super) fn is_amid_head(&self) -> bool {
        self.meter.is_amid_head()
    }

    /// Bytes that the socket took so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.exhausted || self.meter.verdict().is_some() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let read = buffer.filled().get(before..).unwrap_or_default();
                self.ended = read.is_empty() && buffer.remaining() > 0;
                self.thread.counters().bytes_received.add(read.len() as u64);
                self.meter.read(read, self.thread.clock.now());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.ended = true;
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                self.exhausted = true;
                Poll::Pending
            }
        }
    }

    /// Takes what fits; only what is too large to be gathered waits for the socket.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if self.output.len() + length <= RECORD {
            if self.output.capacity() == 0 {
                self.output = self.thread.buffers.take();
            }
            for slice in slices {
                self.output.extend_from_slice(slice);
            }
            return Poll::Ready(Ok(length));
        }
        loop {
            let gathered = self.output.len();
            let poll = self.poll_write_behind(cx, slices);
            self.blocked = poll.is_pending();
            let written = ready!(poll)?;
            if written > gathered || gathered == 0 {
                return Poll::Ready(Ok(written.saturating_sub(gathered)));
            }
        }
    }

    /// Writes once, first of `output` and then of `slices`; how much of both together.
    fn poll_write_behind(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length = self.output.len() + slices.iter().map(|slice| slice.len()).sum::<usize>();
        let mut room = match length / RECORD {
            0 => length,
            records => records * RECORD,
        };
        let mut all = [IoSlice::new(&[]); 3];
        let parts = iter::once(&*self.output).chain(slices.iter().map(|slice| &**slice));
        for (place, part) in all.iter_mut().zip(parts) {
            let part = part.get(..room).unwrap_or(part);
            room -= part.len();
            *place = IoSlice::new(part);
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &all))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.output.advance(written.min(self.output.len()));
        self.thread.counters().bytes_sent.add(written as u64);
        self.meter.sent(written);
        self.sent += written as u64;
        Poll::Ready(Ok(written))
    }

    /// Hands everything to the kernel.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            ready!(self.poll_write_behind(cx, &[]))?;
        }
        self.thread.buffers.give(std::mem::take(&mut self.output));
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        match self.blocked {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.blocked = false;
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Closes without another word, so that the kernel does not go on trying for minutes.
    pub(super) fn abandon(&mut self) {
        self.stream.reset_on_close();
        self.abandoned = true;
    }

    /// Closes our side, then reads until the client has closed its own: a reset would destroy what it was told last.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.abandoned {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_shutdown(cx))?;
        let mut room = [0; 4096];
        while !self.ended && self.waste < DRAIN {
            let mut buffer = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            self.waste += buffer.filled().len();
            self.ended = buffer.filled().is_empty();
        }
        Poll::Ready(Ok(()))
    }
}

/// What `h2` holds of a wire.
pub(super) struct Handle<S>(pub(super) Rc<RefCell<Wire<S>>>);

impl<S: ClientStream> AsyncRead for Handle<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, buffer)
    }
}

impl<S: ClientStream> AsyncWrite for Handle<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_shutdown(cx)
    }
}
