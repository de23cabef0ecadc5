//! A pipe through which the kernel passes a body from one socket to another (splice(2)).
//!
//! The bytes of a long body never enter this process: the pipe holds references to the pages in which they arrived. Over
//! plain connections that halves what a megabyte costs. Pipes are kept, because making one costs as much as a small request.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll, ready},
};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::{io::Interest, net::TcpStream};

use super::{buffers::LARGE, stream::Socket};

/// As many as there are permits for large pieces.
const MOST: usize = 64;

#[derive(Debug)]
pub struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
}

impl Pipe {
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A user who has many large pipes is refused another; a small one works too.
        let _ = fcntl_setpipe_size(&writer, LARGE);
        Ok(Self {
            reader,
            writer,
            held: 0,
        })
    }

    /// Bytes that are in it.
    pub fn held(&self) -> usize {
        self.held
    }

    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes at most `most` bytes that have arrived at `from`; `Ready(Ok(0))` is the end of the stream. The pipe must be
    /// empty: a full one could not be told from a socket without bytes.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, from: &Socket, most: u64) -> Poll<io::Result<usize>> {
        debug_assert!(self.is_empty());
        let most = usize::try_from(most).unwrap_or(LARGE).min(LARGE);
        loop {
            ready!(from.poll_read_ready(cx))?;
            match from.try_io(Interest::READABLE, || move_bytes(from, &self.writer, most)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                moved => {
                    self.held = *moved.as_ref().unwrap_or(&0);
                    return Poll::Ready(moved);
                }
            }
        }
    }

    /// Gives some of what it holds to `to`, and says how much.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, to: &TcpStream) -> Poll<io::Result<usize>> {
        loop {
            ready!(to.poll_write_ready(cx))?;
            match to.try_io(Interest::WRITABLE, || move_bytes(&self.reader, to, self.held)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                moved => {
                    self.held -= *moved.as_ref().unwrap_or(&0);
                    return Poll::Ready(moved);
                }
            }
        }
    }
}

fn move_bytes(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(splice(from, None, to, None, most, flags)?)
}

/// The spare pipes of a thread.
#[derive(Debug, Default)]
pub struct Pipes(RefCell<Vec<Pipe>>);

impl Pipes {
    /// `None` when the process has no descriptors left.
    pub fn take(&self) -> Option<Pipe> {
        self.0.borrow_mut().pop().or_else(|| Pipe::new().ok())
    }

    /// Keeps an empty one; what another still holds belongs to a broken response and goes with it.
    pub fn give(&self, pipe: Pipe) {
        let mut spare = self.0.borrow_mut();
        if pipe.is_empty() && spare.len() < MOST {
            spare.push(pipe);
        }
    }
}
