//! A connection: read, store, read on. Its sender learns nothing, but has to wait when it is too fast.
//!
//! While nothing comes it waits to be told by the kernel. Once it is busy it reads by `rounds`; where it stays busy the kernel
//! is asked not to tell of every segment either, as most of what is left of a message's cost is being woken for it.
//!
//! Invariants
//! - nothing is read before what was read is safe in the journal: a journal or a disk that is full stops the sender;
//! - what was read is stored, whoever ends the connection, unless a stop runs out of time;
//! - a connection holds the messages of one portion and a message that is not whole; one that waits holds the latter alone.

use std::{
    future::poll_fn,
    io::{self, Read},
    mem,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use socket2::SockRef;

use super::{Framing, service::Shared};
use crate::net::{
    buffers::{MEDIUM, Permit, SMALL},
    clock::{IDLE, Timer},
    stream::{ClientStream, poll_read, set_low_water},
};

/// What is stored at once where much comes: some hundred messages share a record and a sync, and each is safe soon.
const PORTION: usize = 128 * 1024;
/// Where a read brings so much its sender is quick, and would wait for the next round with a full window.
const PLENTY: usize = 16 * 1024;
/// Rounds in a row that brought something, after which the kernel need not tell of less than `LOW_WATER`.
const BUSY: u32 = 2;
const LOW_WATER: u16 = u16::MAX;
/// Portions that are still read after a stop was asked for: more than the kernel holds of a connection.
const LAST_PORTIONS: u32 = 64;

pub(super) struct Connection<S> {
    stream: S,
    shared: Rc<Shared>,
    buffer: BytesMut,
    permit: Option<Permit>,
    framing: Framing,
    /// Whether the kernel tells of little things.
    quiet: bool,
    ended: bool,
    /// Only to be woken when the engine stops.
    stop: Timer,
}

impl<S: ClientStream> Connection<S> {
    pub(super) fn new(stream: S, shared: Rc<Shared>) -> Self {
        // A sender that is gone without a word is found out one day.
        let _ = SockRef::from(stream.socket()).set_keepalive(true);
        let stop = shared.thread().clock.timer();
        stop.join(IDLE);
        Self {
            framing: Framing::new(shared.max_message()),
            stream,
            shared,
            buffer: BytesMut::new(),
            permit: None,
            quiet: false,
            ended: false,
            stop,
        }
    }

    pub(super) async fn run(mut self) {
        let (mut rounds, mut portions) = (0, 0);
        while !self.ended && portions < LAST_PORTIONS {
            let read = self.read(rounds == 0).await;
            let stopping = self.shared.thread().stopping();
            if read == 0 && stopping {
                break;
            }
            if read == 0 {
                rounds = 0;
                self.be_quiet(false);
                continue;
            }
            self.store().await;
            rounds += 1;
            if stopping {
                portions += 1;
            } else if read < PLENTY {
                self.be_quiet(rounds >= BUSY);
                self.shared.rounds.next().await;
            }
        }
        self.store_last().await;
    }

    /// How many bytes came; without patience none where there are none now.
    async fn read(&mut self, patient: bool) -> usize {
        poll_fn(|cx| {
            let read = self.poll_portion(cx);
            if read.is_ready() {
                return read;
            }
            if !patient || self.shared.thread().stopping() {
                return Poll::Ready(0);
            }
            self.rest();
            let _ = self.stop.poll(cx);
            Poll::Pending
        })
        .await
    }

    /// Reads until there is nothing more, or a portion.
    fn poll_portion(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut read = 0;
        loop {
            self.make_room(read);
            match self.poll_read(cx) {
                Poll::Ready(Ok(bytes @ 1..)) => {
                    read += bytes;
                    self.shared.thread().counters().bytes_received.add(bytes as u64);
                    if bytes < SMALL || read >= PORTION {
                        return Poll::Ready(read);
                    }
                }
                Poll::Ready(_) => {
                    self.ended = true;
                    return Poll::Ready(read);
                }
                Poll::Pending if read == 0 => return Poll::Pending,
                Poll::Pending => return Poll::Ready(read),
            }
        }
    }

    /// For the next read, after so many bytes of this portion.
    fn make_room(&mut self, read: usize) {
        let buffers = &self.shared.thread().buffers;
        if self.buffer.capacity() == 0 {
            self.buffer = buffers.take();
        }
        if read >= SMALL && self.permit.is_none() {
            self.permit = buffers.permit();
        }
        let room = match self.permit {
            None => SMALL,
            Some(_) => PORTION,
        };
        buffers.make_room(&mut self.buffer, room);
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.quiet {
            return poll_read(&mut self.stream, cx, &mut self.buffer);
        }
        let scratch = &mut *self.shared.scratch.borrow_mut();
        match (&*SockRef::from(self.stream.socket())).read(scratch) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            read => {
                self.buffer.extend_from_slice(&scratch[..*read.as_ref().unwrap_or(&0)]);
                Poll::Ready(read)
            }
        }
    }

    /// Whether the kernel shall keep little things to itself. Over TLS it cannot: only what it tells of is decrypted.
    fn be_quiet(&mut self, quiet: bool) {
        if quiet == self.quiet {
            return;
        }
        if let Some(socket) = self.stream.plain() {
            set_low_water(socket, if quiet { LOW_WATER } else { 1 });
            self.quiet = quiet;
        }
    }

    /// Holds no more than it must while it waits.
    fn rest(&mut self) {
        let buffers = &self.shared.thread().buffers;
        self.permit = None;
        if self.buffer.is_empty() {
            buffers.give(mem::take(&mut self.buffer));
        } else if self.buffer.len() <= SMALL && self.buffer.capacity() > MEDIUM {
            let mut small = buffers.take();
            small.extend_from_slice(&self.buffer);
            buffers.give(mem::replace(&mut self.buffer, small));
        }
    }

    /// Stores the messages that are whole.
    async fn store(&mut self) {
        let (mut batch, mut reader) = self.shared.begin();
        let mut rest = &self.buffer[..];
        while let Some(message) = self.framing.next(&mut rest) {
            self.shared.take(message, &mut reader, &mut batch);
        }
        let taken = self.buffer.len() - rest.len();
        self.buffer.advance(taken);
        self.shared.store(batch).await;
    }

    /// Stores all that is left.
    async fn store_last(&mut self) {
        self.store().await;
        let (mut batch, mut reader) = self.shared.begin();
        if let Some(message) = self.framing.last(&self.buffer) {
            self.shared.take(message, &mut reader, &mut batch);
        }
        self.shared.store(batch).await;
    }
}
