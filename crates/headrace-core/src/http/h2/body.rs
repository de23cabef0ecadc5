//! A request's body on its way from the stream's frames to the handler.
//!
//! The client gets its window back when the handler takes the bytes, so a slow server slows the client and what waits here
//! is never more than a window. The last bytes of a body with a length are held back until the client has ended it: a
//! server must not see a whole request in one whose data goes on (RFC 9113, 8.1.1).

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;

use super::{DRAIN, LINGER};
use crate::{
    engine::Thread,
    http::{
        exchange::{BodyError, Part},
        fields::{Fields, classify},
        head::BodyKind,
        pace::Pace,
    },
    net::clock::Timer,
};

/// Frames are put together up to this, so that a long body is not passed on in small writes.
const GATHER: usize = 64 * 1024;

pub(super) struct Body {
    frames: RecvStream,
    thread: Rc<Thread>,
    /// Bytes of a body with a length that are still to come.
    left: Option<u64>,
    held: Bytes,
    ended: bool,
    trailers: Option<Fields>,
    pace: Pace,
    patience: Option<Timer>,
}

impl Body {
    pub(super) fn new(frames: RecvStream, thread: Rc<Thread>) -> Self {
        Self {
            ended: frames.is_end_stream(),
            frames,
            thread,
            left: None,
            held: Bytes::new(),
            trailers: None,
            pace: Pace::default(),
            patience: None,
        }
    }

    /// Whether the client has sent all of it.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn expect(&mut self, kind: BodyKind) {
        self.left = match kind {
            BodyKind::Length(length) => Some(length),
            _ => None,
        };
    }

    pub(super) fn trailers(&self) -> Option<&Fields> {
        self.trailers.as_ref()
    }

    /// As [`crate::http::exchange::Exchange::poll_body`].
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<Result<Part, BodyError>> {
        let before = into.len();
        while !self.ended && into.len() - before < GATHER {
            match self.frames.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => self.take(data, into),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(BodyError::Gone)),
                Poll::Ready(None) => {
                    ready!(self.poll_trailers(cx))?;
                    self.ended = true;
                }
                Poll::Pending => break,
            }
        }
        if self.ended {
            self.give(into);
            return Poll::Ready(Ok(Part::End));
        }
        match into.len() - before {
            0 => self.poll_patience(cx),
            length => Poll::Ready(self.arrived(length).map(|()| Part::Data)),
        }
    }

    /// Reads on for a while after the response. A reset would be in order at once (RFC 9113, 8.1), but clients are in use
    /// that lose the response when the two come together, or look for it only once all is sent.
    pub(super) async fn discard(&mut self) {
        if self.ended {
            return;
        }
        let timer = self.thread.clock.timer();
        let reading = async {
            let mut waste = BytesMut::new();
            let mut read = 0;
            while read <= DRAIN {
                waste.clear();
                match poll_fn(|cx| self.poll(cx, &mut waste)).await {
                    Ok(Part::Data) => read += waste.len(),
                    _ => return,
                }
            }
        };
        let _ = timer.within(LINGER, reading).await;
    }

    fn take(&mut self, data: Bytes, into: &mut BytesMut) {
        self.give(into);
        self.ended = self.frames.is_end_stream();
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(data.len() as u64);
        }
        self.held = data;
        if self.ended || self.left != Some(0) {
            self.give(into);
        }
    }

    fn give(&mut self, into: &mut BytesMut) {
        let data = std::mem::take(&mut self.held);
        into.extend_from_slice(&data);
        // Fails only for bytes that were never received.
        let _ = self.frames.flow_control().release_capacity(data.len());
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(map) = ready!(self.frames.poll_trailers(cx)).map_err(|_| BodyError::Gone)? else {
            return Poll::Ready(Ok(()));
        };
        let limits = &self.thread.limits().head;
        if map.len() > limits.count {
            return Poll::Ready(Err(BodyError::Malformed("there are too many trailers")));
        }
        let mut trailers = Fields::new();
        for (name, value) in &map {
            let known = classify(name.as_str().as_bytes());
            if known.may_trail() {
                trailers.push_known(known, name.as_str().as_bytes(), value.as_bytes());
            }
        }
        self.trailers = Some(trailers).filter(|trailers| !trailers.is_empty());
        Poll::Ready(Ok(()))
    }

    fn arrived(&mut self, length: usize) -> Result<(), BodyError> {
        let limits = self.thread.limits();
        if let Some(patience) = &self.patience {
            patience.clear();
        }
        self.pace.arrived(length as u64, self.thread.clock.now());
        match self.pace.is_too_slow(limits.body_min_rate, limits.body_grace) {
            true => Err(BodyError::TooSlow),
            false => Ok(()),
        }
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, BodyError>> {
        let thread = &self.thread;
        let patience = self.patience.get_or_insert_with(|| thread.clock.timer());
        if self.pace.wait(thread.clock.now()) {
            patience.set(thread.limits().body_idle_timeout);
        }
        ready!(patience.poll(cx));
        Poll::Ready(Err(BodyError::TooSlow))
    }
}
