//! A response's body on its way to the client: read, freed of its framing, handed over as fast as the client takes it.
//!
//! Short pieces are read into small buffers; a long body gets large ones by permit, and between two plain connections it
//! does not enter the process at all. One that is compressed does, in medium pieces: each takes longer than its reading.

use std::{
    io,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;

use super::compression::Compressor;
use crate::{
    engine::Thread,
    http::{
        exchange::{Exchange, Gone},
        framing::{Decoded, Decoder, FramingError},
    },
    net::{
        buffers::{LARGE, MEDIUM},
        pipe::Pipe,
        stream::{self, ServerStream},
    },
};

/// Room for one read of a response.
const READ: usize = 8 * 1024;
/// From here on splicing is cheaper than copying, which needs no pipe.
const SPLICE_MIN: u64 = 64 * 1024;

pub(super) struct Download<'a> {
    /// What was read and not yet looked at.
    pub(super) input: &'a mut BytesMut,
    thread: &'a Thread,
    pub(super) decoder: Decoder,
    data: BytesMut,
    /// For a long body between two plain connections.
    pipe: Option<Pipe>,
    /// For one that the client gets compressed.
    pub(super) compressor: Option<Box<Compressor>>,
}

impl<'a> Download<'a> {
    pub(super) fn new(input: &'a mut BytesMut, thread: &'a Thread) -> Self {
        Self {
            input,
            thread,
            decoder: Decoder::none(),
            data: BytesMut::new(),
            pipe: None,
            compressor: None,
        }
    }

    /// Reads a piece of a head.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>, stream: &mut ServerStream) -> Poll<io::Result<usize>> {
        self.poll_read(cx, stream, READ)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, stream: &mut ServerStream, room: usize) -> Poll<io::Result<usize>> {
        self.thread.buffers.make_room(self.input, room);
        stream::poll_read(stream, cx, self.input)
    }

    /// Reads more of the body.
    pub(super) fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut ServerStream,
        exchange: &mut impl Exchange,
    ) -> Poll<io::Result<usize>> {
        if self.compressor.as_ref().is_some_and(|compressor| compressor.is_due()) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.splices(stream, exchange)
            && let (Some(pipe), Some(socket)) = (&mut self.pipe, stream.plain())
        {
            let length = ready!(pipe.poll_fill(cx, socket, self.decoder.remaining().unwrap_or(0)))?;
            self.decoder.pass(length as u64);
            return Poll::Ready(Ok(length));
        }
        let room = self.body_room(exchange);
        self.poll_read(cx, stream, room)
    }

    /// Whether the rest of the body is long, and can go to the client without passing through this process.
    fn splices(&mut self, stream: &mut ServerStream, exchange: &mut impl Exchange) -> bool {
        if self.pipe.is_none()
            && self.compressor.is_none()
            && self.input.is_empty()
            && self.decoder.remaining().is_some_and(|left| left > SPLICE_MIN)
            && stream.plain().is_some()
            && exchange.can_splice()
            && exchange.wants_large_pieces()
        {
            self.pipe = self.thread.pipes.take();
        }
        self.pipe.is_some()
    }

    fn body_room(&mut self, exchange: &mut impl Exchange) -> usize {
        let left = self.decoder.remaining().unwrap_or(u64::MAX);
        if left <= READ as u64 {
            return READ;
        }
        let room = match left > MEDIUM as u64 && self.compressor.is_none() && exchange.wants_large_pieces() {
            true => LARGE,
            false => MEDIUM,
        };
        // One buffer is enough where the other is empty.
        if self.input.is_empty() && self.input.capacity() < self.data.capacity() {
            std::mem::swap(self.input, &mut self.data);
        }
        room
    }

    /// Takes the framing off what was read, once the client has what came before.
    pub(super) fn decode(&mut self) -> Result<Decoded, FramingError> {
        match self.data.is_empty() && self.compressed() == 0 {
            true => self.decoder.decode(self.input, &mut self.data),
            false => Ok(Decoded::Data),
        }
    }

    /// Gives the client what it had no room for before.
    pub(super) fn poll_pass_on(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut impl Exchange,
    ) -> Poll<Result<(), Gone>> {
        if self.compressor.is_some() {
            return self.poll_compressed(cx, exchange);
        }
        if !self.data.is_empty() {
            ready!(exchange.poll_write(cx, &mut self.data))?;
        }
        match &mut self.pipe {
            Some(pipe) if !pipe.is_empty() => exchange.poll_splice(cx, pipe),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_compressed(&mut self, cx: &mut Context<'_>, exchange: &mut impl Exchange) -> Poll<Result<(), Gone>> {
        let mut data = std::mem::take(&mut self.data);
        self.thread.counters().compressed_in.add(data.len() as u64);
        let taken = self.work(|compressor| compressor.take(&mut data));
        self.data = data;
        // An encoder that fails has no memory; the response breaks as if the client were gone.
        match (taken.map_err(|_| Gone)?, &mut self.compressor) {
            (true, Some(compressor)) => exchange.poll_write(cx, &mut compressor.out),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Has what was compressed so far come out, where nothing more is there to read; whether there is something to pass on.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        self.work(Compressor::flush)
    }

    /// The body has ended; whether there is something to pass on.
    pub(super) fn ends(&mut self) -> io::Result<bool> {
        self.work(Compressor::finish)
    }

    fn work(&mut self, work: impl FnOnce(&mut Compressor) -> io::Result<()>) -> io::Result<bool> {
        let Some(compressor) = &mut self.compressor else {
            return Ok(false);
        };
        let before = compressor.out.len();
        work(compressor)?;
        let made = compressor.out.len() - before;
        self.thread.counters().compressed_out.add(made as u64);
        Ok(!compressor.out.is_empty())
    }

    /// Bytes of the body that wait for the client.
    pub(super) fn waiting(&self) -> usize {
        self.compressed() + self.data.len() + self.pipe.as_ref().map_or(0, Pipe::held)
    }

    fn compressed(&self) -> usize {
        self.compressor.as_ref().map_or(0, |compressor| compressor.out.len())
    }
}

impl Drop for Download<'_> {
    fn drop(&mut self) {
        self.thread.buffers.give(std::mem::take(&mut self.data));
        if let Some(compressor) = &mut self.compressor {
            self.thread.buffers.give(std::mem::take(&mut compressor.out));
        }
        if let Some(pipe) = self.pipe.take() {
            self.thread.pipes.give(pipe);
        }
    }
}
