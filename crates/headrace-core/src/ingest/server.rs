//! One request: refused before its body is read where that is possible, read, checked, appended, answered when it is safe.

use std::{
    borrow::Cow,
    future::poll_fn,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Instant,
};

use bytes::BytesMut;
use tokio::time::timeout;

use super::{
    Ingest,
    collection::{self, Collection},
    keys::{self, MAX_KEY, Seen},
    options::Ack,
    waiting::Waiting,
};
use crate::{
    engine::Thread,
    http::{
        coding::{Coding, CodingError, UNDERSTOOD},
        exchange::{BodyError, Exchange, Handler, Part},
        fields::Field,
        head::BodyKind,
        reply::send_whole,
    },
    journal::{self, Appended, Failure, Key, Record},
    metrics::Refused,
};

const JSON: &[u8] = b"application/json; charset=UTF-8";

/// Why a collection was not accepted, and what to do.
pub(super) struct Refusal {
    why: Refused,
    message: Cow<'static, str>,
}

/// How a request ends that is not answered with 200.
enum Stop {
    Refuse(Refusal),
    /// Nobody is there to be answered.
    Gone,
}

fn refuse(why: Refused, message: impl Into<Cow<'static, str>>) -> Stop {
    let message = message.into();
    Stop::Refuse(Refusal { why, message })
}

/// What a client is told.
struct Accepted {
    payloads: usize,
    numbers: Appended,
    ack: Ack,
}

/// An engine thread's side of the service.
pub struct Server {
    pub(super) ingest: Arc<Ingest>,
    pub(super) thread: Rc<Thread>,
    pub(super) waiting: Rc<Waiting>,
}

impl Handler for Server {
    async fn handle<X: Exchange>(&self, exchange: &mut X) {
        let began = Instant::now();
        match self.accept(exchange).await {
            Ok(accepted) => send_accepted(exchange, &accepted).await,
            Err(Stop::Refuse(refusal)) => self.send_refusal(exchange, &refusal).await,
            Err(Stop::Gone) => {}
        }
        self.thread.counters().latency.record(began.elapsed());
    }
}

impl Server {
    async fn accept(&self, exchange: &mut impl Exchange) -> Result<Accepted, Stop> {
        let (stream, coding) = self.admit(exchange)?;
        let body = self.read(exchange).await?;
        let most = self.ingest.options.max_length;
        let body = coding.decode(body, most).map_err(|error| match error {
            CodingError::TooLarge => self.too_large(),
            CodingError::Malformed => refuse(
                Refused::BadRequest,
                "The body is not what Content-Encoding says, or is cut off.",
            ),
        })?;
        let accepted = self.store(exchange, stream, &body).await;
        self.thread.buffers.give(body);
        accepted
    }

    /// Whatever can be refused by the head alone.
    fn admit(&self, exchange: &impl Exchange) -> Result<(u16, Coding), Stop> {
        let options = &self.ingest.options;
        let request = exchange.request();
        let named = options
            .streams
            .iter()
            .find(|(path, _)| path.as_bytes() == request.path());
        let Some((_, stream)) = named else {
            return Err(refuse(Refused::NotFound, "Nothing is collected at this path."));
        };
        if request.method() != b"POST" {
            return Err(refuse(Refused::MethodNotAllowed, "Collections are posted: use POST."));
        }
        let Some(coding) = Coding::of(request.fields()) else {
            let message = format!("Content-Encoding must be one of {UNDERSTOOD}, or absent.");
            return Err(refuse(Refused::UnsupportedCoding, message));
        };
        if matches!(request.body, BodyKind::Length(length) if length > options.max_length as u64) {
            return Err(self.too_large());
        }
        if self.thread.stopping() {
            return Err(stopping());
        }
        match self.ingest.journal.refusal() {
            Some(refused) => Err(not_taken(refused)),
            None => Ok((*stream, coding)),
        }
    }

    fn too_large(&self) -> Stop {
        let most = self.ingest.options.max_length;
        refuse(
            Refused::ContentTooLarge,
            format!("A collection may have {most} bytes (MAX_LENGTH), decoded too. Send it in parts."),
        )
    }

    async fn read(&self, exchange: &mut impl Exchange) -> Result<BytesMut, Stop> {
        let most = self.ingest.options.max_length;
        let mut body = self.thread.buffers.take();
        let mut room = Reading {
            ingest: &self.ingest,
            bytes: 0,
        };
        loop {
            let part = poll_fn(|cx| {
                if exchange.poll_gone(cx).is_ready() {
                    return Poll::Ready(Err(BodyError::Gone));
                }
                exchange.poll_body(cx, &mut body)
            });
            match part.await {
                Ok(_) if body.len() > most => return Err(self.too_large()),
                Ok(Part::End) => return Ok(body),
                Ok(Part::Data) if room.grow(body.len()) => {}
                Ok(Part::Data) => {
                    return Err(refuse(
                        Refused::Overloaded,
                        "Too many collections are being sent at once; try again shortly.",
                    ));
                }
                Err(BodyError::Gone) => return Err(Stop::Gone),
                Err(BodyError::TooSlow) => {
                    return Err(refuse(
                        Refused::RequestTimeout,
                        "The collection took too long to arrive.",
                    ));
                }
                Err(BodyError::Malformed(what)) => return Err(refuse(Refused::BadRequest, what)),
            }
        }
    }

    async fn store(&self, exchange: &mut impl Exchange, stream: u16, body: &[u8]) -> Result<Accepted, Stop> {
        let collection = collection::parse(body).map_err(|why| refuse(Refused::BadRequest, why.to_string()))?;
        if !self.ingest.knows(&collection.token) {
            return Err(refuse(
                Refused::Unauthorized,
                "The collection's token is none of the configured ones.",
            ));
        }
        let key = key(exchange, stream, &collection, body)?;
        if let Some(key) = &key {
            match self.ingest.keys.begin(key) {
                Seen::New => {}
                Seen::Accepted(numbers) => {
                    let payloads = collection.payloads.len();
                    return self.finish(exchange, payloads, numbers).await;
                }
                Seen::UnderWay => {
                    return Err(refuse(
                        Refused::Conflict,
                        "A collection with this Idempotency-Key is being stored; try again shortly.",
                    ));
                }
                Seen::Other => {
                    return Err(refuse(
                        Refused::Unprocessable,
                        "This Idempotency-Key came with another collection before; use a new key for a new one.",
                    ));
                }
            }
        }
        let numbers = self.append(stream, key, &collection).await?;
        self.finish(exchange, collection.payloads.len(), numbers).await
    }

    /// Appends and waits until it is safe, where that is asked for.
    async fn append(&self, stream: u16, key: Option<Key>, collection: &Collection<'_>) -> Result<Appended, Stop> {
        let lines: Vec<_> = collection.payloads.iter().copied().map(collection::one_line).collect();
        let payloads: Vec<&[u8]> = lines.iter().map(AsRef::as_ref).collect();
        let record = Record {
            stream,
            key,
            payloads: &payloads,
        };
        let (place, told) = self.waiting.place();
        let completion = match key {
            Some(key) => self.ingest.keep(key, told),
            None => told,
        };
        let numbers = match self.ingest.journal.append(&[record], Some(completion)) {
            Ok(numbers) => numbers,
            Err(refused) => {
                place.cancel();
                if let Some(key) = &key {
                    self.ingest.keys.forget(key);
                }
                return Err(not_taken(refused));
            }
        };
        if let Some(key) = &key {
            self.ingest.keys.number(key, numbers);
        }
        if self.ingest.options.ack != Ack::Memory {
            poll_fn(|cx| place.poll(cx)).await.map_err(not_kept)?;
        }
        Ok(numbers)
    }

    /// What is safe has landed, or its time is over.
    async fn finish(&self, exchange: &mut impl Exchange, payloads: usize, numbers: Appended) -> Result<Accepted, Stop> {
        let ack = match self.ingest.options.ack {
            Ack::Object => self.await_landing(exchange, numbers).await?,
            ack => ack,
        };
        Ok(Accepted { payloads, numbers, ack })
    }

    async fn await_landing(&self, exchange: &mut impl Exchange, numbers: Appended) -> Result<Ack, Stop> {
        let landing = poll_fn(|cx| {
            if exchange.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Stop::Gone));
            }
            // In this order: what lands in between wakes.
            self.waiting.await_landing(cx);
            match self.ingest.journal.has_landed(numbers) {
                true => Poll::Ready(Ok(Ack::Object)),
                false => Poll::Pending,
            }
        });
        timeout(self.ingest.options.landing_timeout, landing)
            .await
            .unwrap_or(Ok(Ack::Disk))
    }

    async fn send_refusal(&self, exchange: &mut impl Exchange, refusal: &Refusal) {
        let status = refusal.why.status();
        self.thread.counters().refuse(refusal.why);
        exchange.leave_body();
        let body = serde_json::json!({"error": refusal.why.code(), "message": refusal.message});
        let wait = self.ingest.retry_after.load(Ordering::Relaxed).max(1).to_string();
        let extra = match status {
            405 => Some(Field::new(b"Allow", b"POST")),
            409 | 503 => Some(Field::new(b"Retry-After", wait.as_bytes())),
            415 => Some(Field::new(b"Accept-Encoding", UNDERSTOOD.as_bytes())),
            _ => None,
        };
        let fields = [
            Field::new(b"Content-Type", JSON),
            Field::new(b"Cache-Control", b"no-store"),
        ];
        send_whole(
            exchange,
            status,
            fields.into_iter().chain(extra),
            format!("{body}\n").as_bytes(),
        )
        .await;
    }
}

/// The hash of the request's idempotency key, if it has one.
fn key(exchange: &impl Exchange, stream: u16, collection: &Collection<'_>, body: &[u8]) -> Result<Option<Key>, Stop> {
    let mut named = exchange.request().fields().get_all(b"idempotency-key");
    let Some(key) = named.next() else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > MAX_KEY || named.next().is_some() {
        let message = format!("Idempotency-Key must come once, with 1 to {MAX_KEY} bytes.");
        return Err(refuse(Refused::BadRequest, message));
    }
    Ok(Some(keys::hash(stream, &collection.token, key, body)))
}

async fn send_accepted(exchange: &mut impl Exchange, accepted: &Accepted) {
    let Accepted { payloads, numbers, ack } = accepted;
    let text = match payloads {
        0 => format!(
            "{{\"accepted\": 0, \"first\": null, \"last\": null, \"ack\": \"{}\"}}\n",
            ack.name()
        ),
        _ => format!(
            "{{\"accepted\": {payloads}, \"first\": {}, \"last\": {}, \"ack\": \"{}\"}}\n",
            numbers.first,
            numbers.last,
            ack.name()
        ),
    };
    let fields = [Field::new(b"Content-Type", JSON)];
    send_whole(exchange, 200, fields.into_iter(), text.as_bytes()).await;
}

/// Bytes of bodies that are being read, held against the bound for all.
struct Reading<'a> {
    ingest: &'a Ingest,
    bytes: usize,
}

impl Reading<'_> {
    /// Whether there is room for a body that has grown to `bytes`.
    fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes - self.bytes;
        self.bytes = bytes;
        let before = self.ingest.reading.fetch_add(more, Ordering::Relaxed);
        before + more <= self.ingest.options.max_reading
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.ingest.reading.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn stopping() -> Stop {
    refuse(Refused::Stopping, "The service is stopping; try again shortly.")
}

/// The journal takes no more.
fn not_taken(refused: journal::Refused) -> Stop {
    match refused {
        journal::Refused::Full => refuse(
            Refused::QueueFull,
            "As many payloads wait to be landed as may; try again later.",
        ),
        journal::Refused::DiskFull => disk_full(),
        journal::Refused::TooLarge => refuse(
            Refused::ContentTooLarge,
            "The collection has too many payloads for one record; send it in parts.",
        ),
        journal::Refused::Stopped => stopping(),
        journal::Refused::Failed => failed(),
    }
}

/// The journal could not keep it.
fn not_kept(failure: Failure) -> Stop {
    match failure {
        Failure::DiskFull => disk_full(),
        Failure::Failed => failed(),
    }
}

fn disk_full() -> Stop {
    refuse(
        Refused::DiskFull,
        "The service's disk is full; nothing of the collection was stored.",
    )
}

fn failed() -> Stop {
    refuse(
        Refused::Failed,
        "The service's disk failed; nothing of the collection was acknowledged. Try again later.",
    )
}
