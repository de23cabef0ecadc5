//! Bodies are read whole, each within its bound, and all together within that of their service.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use bytes::BytesMut;

use super::{Stop, refuse};
use crate::{
    http::exchange::{BodyError, Exchange, Part},
    metrics::Refused,
};

/// Room for the bodies that one service reads at once.
#[derive(Debug)]
pub struct Room {
    most: usize,
    taken: AtomicUsize,
}

/// Why there is no body.
pub enum Unread {
    /// It is longer than it may be.
    TooLarge,
    Stop(Stop),
}

impl Room {
    /// Room for `most` bytes.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            taken: AtomicUsize::new(0),
        }
    }

    /// Appends the request's body to `body`, which may get `most` bytes.
    pub async fn read(&self, exchange: &mut impl Exchange, body: &mut BytesMut, most: usize) -> Result<(), Unread> {
        let mut share = Share { room: self, bytes: 0 };
        loop {
            let part = poll_fn(|cx| {
                if exchange.poll_gone(cx).is_ready() {
                    return Poll::Ready(Err(BodyError::Gone));
                }
                exchange.poll_body(cx, body)
            });
            match part.await {
                Ok(_) if body.len() > most => return Err(Unread::TooLarge),
                Ok(Part::End) => return Ok(()),
                Ok(Part::Data) if share.grow(body.len()) => {}
                Ok(Part::Data) => {
                    let why = "Too much is being sent at once; try again shortly.";
                    return Err(Unread::Stop(refuse(Refused::Overloaded, why)));
                }
                Err(error) => return Err(Unread::Stop(broken(error))),
            }
        }
    }
}

fn broken(error: BodyError) -> Stop {
    match error {
        BodyError::Gone => Stop::Gone,
        BodyError::TooSlow => refuse(Refused::RequestTimeout, "The body took too long to arrive."),
        BodyError::Malformed(what) => refuse(Refused::BadRequest, what),
    }
}

/// Bytes of one body, held against the bound for all.
struct Share<'a> {
    room: &'a Room,
    bytes: usize,
}

impl Share<'_> {
    /// Whether there is room for a body that has grown to `bytes`.
    fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes - self.bytes;
        self.bytes = bytes;
        let before = self.room.taken.fetch_add(more, Ordering::Relaxed);
        before + more <= self.room.most
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
