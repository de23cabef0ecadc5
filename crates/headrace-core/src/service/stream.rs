//! Answers that are written piece by piece, for as long as somebody reads them.

use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, ready},
};

use bytes::Bytes;

use super::{Stop, refuse};
use crate::{
    http::{
        exchange::{Exchange, Gone, ReplyBody},
        fields::Field,
        reply::reason,
    },
    metrics::Refused,
};

/// One of those that are counted, for as long as it lives.
pub struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    /// A place among at most so many; `message` is for whoever gets none.
    pub fn take(counter: &'a AtomicUsize, most: usize, message: &'static str) -> Result<Self, Stop> {
        let place = Self(counter);
        match counter.fetch_add(1, Ordering::Relaxed) < most {
            true => Ok(place),
            false => Err(refuse(Refused::Overloaded, message)),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What becomes of `work` while the client still wants the answer.
pub async fn while_wanted<X: Exchange, T>(exchange: &mut X, work: impl Future<Output = T>) -> Result<T, Stop> {
    unless(exchange, X::poll_gone, work).await
}

/// The same while the client listens to an answer without an end.
pub async fn while_heard<X: Exchange, T>(exchange: &mut X, work: impl Future<Output = T>) -> Result<T, Stop> {
    unless(exchange, X::poll_left, work).await
}

async fn unless<X: Exchange, T>(
    exchange: &mut X,
    over: fn(&mut X, &mut Context<'_>) -> Poll<()>,
    work: impl Future<Output = T>,
) -> Result<T, Stop> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if over(exchange, cx).is_ready() {
            return Poll::Ready(Err(Stop::Gone));
        }
        work.as_mut().poll(cx).map(Ok)
    })
    .await
}

/// Begins the answer, of this kind, where it is not begun.
pub fn begin(exchange: &mut impl Exchange, kind: &'static [u8]) {
    if !exchange.started() {
        let fields = [
            Field::new(b"Content-Type", kind),
            Field::new(b"Cache-Control", b"no-store"),
        ];
        exchange.start(200, reason(200).as_bytes(), fields.into_iter(), ReplyBody::Streamed);
    }
}

/// Writes some of it, and has it sent.
pub async fn write(exchange: &mut impl Exchange, bytes: &[u8]) -> Result<(), Stop> {
    write_shared(exchange, Bytes::copy_from_slice(bytes)).await
}

/// The same with bytes that others hold as well.
pub async fn write_shared(exchange: &mut impl Exchange, mut data: Bytes) -> Result<(), Stop> {
    let written = poll_fn(|cx| {
        if !data.is_empty() {
            ready!(exchange.poll_write_shared(cx, &mut data))?;
        }
        exchange.poll_flush(cx)
    });
    written.await.map_err(|Gone| Stop::Gone)
}

/// Ends it.
pub async fn finish(exchange: &mut impl Exchange) -> Result<(), Stop> {
    let finished = poll_fn(|cx| exchange.poll_finish(cx, None));
    finished.await.map_err(|Gone| Stop::Gone)
}
