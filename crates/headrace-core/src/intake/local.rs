//! An engine thread's side: a body is read, decoded and appended here; what it means is the handler's.

use std::{
    future::poll_fn,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::time::{sleep, timeout};

use super::{
    Intake,
    flushing::Flushing,
    keys::{self, MAX_KEY, Seen},
    refusal::{not_kept, not_taken, too_large},
    waiting::{Place, Waiting},
};
use crate::{
    engine::Thread,
    http::{
        coding::{Coding, CodingError, UNDERSTOOD},
        exchange::Exchange,
        head::BodyKind,
    },
    journal::{Appended, Key, Record},
    metrics::Refused,
    service::{Stop, Unread, refuse, stopping},
};

/// When what must not be refused is tried again.
const AGAIN: Duration = Duration::from_millis(100);

pub struct Local {
    pub(super) intake: Arc<Intake>,
    pub thread: Rc<Thread>,
    pub(super) waiting: Rc<Waiting>,
    pub(super) flushing: Rc<Flushing>,
}

/// What was appended and may not be safe yet.
pub struct Pending {
    pub numbers: Appended,
    place: Place,
}

impl Pending {
    /// Waits until it is safe.
    pub async fn safe(self) -> Result<Appended, Stop> {
        poll_fn(|cx| self.place.poll(cx)).await.map_err(not_kept)?;
        Ok(self.numbers)
    }
}

impl Local {
    /// Whatever can be refused by the head alone, whatever the body means.
    pub fn admit(&self, exchange: &impl Exchange) -> Result<Coding, Stop> {
        let request = exchange.request();
        let most = self.intake.options.max_length;
        let Some(coding) = Coding::of(request.fields()) else {
            let message = format!("Content-Encoding must be one of {UNDERSTOOD}, or absent.");
            return Err(refuse(Refused::UnsupportedCoding, message));
        };
        if matches!(request.body, BodyKind::Length(length) if length > most as u64) {
            return Err(too_large(most));
        }
        if self.thread.stopping() {
            return Err(stopping());
        }
        match self.intake.journal.refusal() {
            Some(refused) => Err(not_taken(refused)),
            None => Ok(coding),
        }
    }

    /// The whole body, decoded. Give it back to the thread's buffers.
    pub async fn read(&self, exchange: &mut impl Exchange, coding: Coding) -> Result<BytesMut, Stop> {
        let most = self.intake.options.max_length;
        let mut body = self.thread.buffers.take();
        match self.intake.room.read(exchange, &mut body, most).await {
            Ok(()) => decoded(body, coding, most),
            Err(Unread::TooLarge) => Err(too_large(most)),
            Err(Unread::Stop(stop)) => Err(stop),
        }
    }

    /// The hash of the request's idempotency key, if it has one. The same key in another stream or with another token is
    /// another key.
    pub fn key(&self, exchange: &impl Exchange, stream: u16, token: &str, body: &[u8]) -> Result<Option<Key>, Stop> {
        let mut named = exchange.request().fields().get_all(b"idempotency-key");
        let Some(key) = named.next() else {
            return Ok(None);
        };
        if key.is_empty() || key.len() > MAX_KEY || named.next().is_some() {
            let message = format!("Idempotency-Key must come once, with 1 to {MAX_KEY} bytes.");
            return Err(refuse(Refused::BadRequest, message));
        }
        Ok(Some(keys::hash(stream, token, key, body)))
    }

    /// The numbers that what came with `key` got when it was accepted before; none where it is new, and under way now:
    /// it is then to be appended.
    pub fn accepted_before(&self, key: Option<&Key>) -> Result<Option<Appended>, Stop> {
        match key.map_or(Seen::New, |key| self.intake.keys.begin(key)) {
            Seen::New => Ok(None),
            Seen::Accepted(numbers) => Ok(Some(numbers)),
            Seen::UnderWay => Err(refuse(
                Refused::Conflict,
                "What came with this Idempotency-Key is being stored; try again shortly.",
            )),
            Seen::Other => Err(refuse(
                Refused::Unprocessable,
                "This Idempotency-Key came with another body before; use a new key for a new one.",
            )),
        }
    }

    /// Appends; what it answers waits until that is safe.
    pub fn append(&self, record: Record<'_>) -> Result<Pending, Stop> {
        let key = record.key;
        let (place, told) = self.waiting.place();
        let completion = match key {
            Some(key) => self.intake.keep(key, told),
            None => told,
        };
        let numbers = match self.intake.journal.append(&[record], Some(completion)) {
            Ok(numbers) => numbers,
            Err(refused) => {
                place.cancel();
                if let Some(key) = &key {
                    self.intake.keys.forget(key);
                }
                return Err(not_taken(refused));
            }
        };
        self.flushing.plan();
        if let Some(key) = &key {
            self.intake.keys.number(key, numbers);
        }
        Ok(Pending { numbers, place })
    }

    /// Appends, and comes back when it is safe: for whoever has nobody to tell that it is not. While the journal takes
    /// nothing it waits. What is too much for one record goes in parts, in order.
    pub async fn insist(&self, stream: u16, mut payloads: &[&[u8]]) {
        let mut most = payloads.len();
        while !payloads.is_empty() {
            let (now, later) = payloads.split_at(most.min(payloads.len()));
            let record = Record {
                stream,
                key: None,
                payloads: now,
            };
            let kept = match self.append(record) {
                Ok(pending) => pending.safe().await.is_ok(),
                Err(_) => false,
            };
            if kept {
                payloads = later;
            } else {
                most = now.len().div_ceil(2);
                sleep(AGAIN).await;
            }
        }
    }

    /// Waits for so long until `numbers` have landed; whether they have.
    pub async fn await_landing(
        &self,
        exchange: &mut impl Exchange,
        numbers: Appended,
        longest: Duration,
    ) -> Result<bool, Stop> {
        let landing = poll_fn(|cx| {
            if exchange.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Stop::Gone));
            }
            // In this order: what lands in between wakes.
            self.waiting.await_landing(cx);
            match self.intake.journal.has_landed(numbers) {
                true => Poll::Ready(Ok(true)),
                false => Poll::Pending,
            }
        });
        timeout(longest, landing).await.unwrap_or(Ok(false))
    }

    /// Ends a request that began then: tells the client why where it was not accepted.
    pub async fn end(&self, exchange: &mut impl Exchange, began: Instant, outcome: Result<(), Stop>) {
        if let Err(Stop::Refuse(refusal)) = outcome {
            self.thread.counters().refuse(refusal.why);
            let wait = self.intake.retry_after.load(Ordering::Relaxed);
            // Boxed, so that requests that are accepted don't carry the room for it.
            Box::pin(refusal.send(exchange, wait)).await;
        }
        self.thread.counters().latency.record(began.elapsed());
    }
}

fn decoded(body: BytesMut, coding: Coding, most: usize) -> Result<BytesMut, Stop> {
    coding.decode(body, most).map_err(|error| match error {
        CodingError::TooLarge => too_large(most),
        CodingError::Malformed => refuse(
            Refused::BadRequest,
            "The body is not what Content-Encoding says, or is cut off.",
        ),
    })
}
