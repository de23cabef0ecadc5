//! A client's exchange on its way to a server and back, seen by the cache.
//!
//! It passes on what it is given, and keeps a copy of a response that may be stored. What the cache itself asked for (whether a
//! stored response still holds), or what it can do better than the server (an error while something is stored), does not reach
//! the client: then `outcome` says what to do.

use std::{
    sync::atomic::Ordering,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};

use super::{
    EdgeCache, filing,
    freshen::{Update, freshen},
    place::{Permit, Place, invalidate},
};
use crate::{
    edge::{
        freshness::Times,
        groups,
        reuse::is_error,
        status::{CacheStatus, Forwarded},
        storable::Asked,
        validation,
        vary::ByCoding,
    },
    http::{
        exchange::{BodyError, Exchange, Gone, Part, Peer, ReplyBody},
        fields::{Field, Fields, Known},
        head::Request,
    },
    net::pipe::Pipe,
};

/// The part of the store's bound that bodies may take beside it while they are being kept.
const RECORDED: u64 = 4;
/// The room that is made for a body on the word of its length.
const ROOM: u64 = 1 << 20;

/// What became of a response.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The client has it, or nothing came.
    Passed,
    /// What is stored still holds, with these fields.
    Holds(Update),
    /// The server spoke of another response than the stored one.
    Another,
    /// The server failed with this status, and what is stored covers for it.
    Failed(u16),
}

/// What the cache knows of a request when a server is asked.
pub(super) struct Errand<'a> {
    pub(super) edge: &'a EdgeCache,
    pub(super) place: &'a Place,
    pub(super) asked: &'a Asked,
    pub(super) permit: Permit,
    pub(super) name: &'a str,
    pub(super) why: Forwarded,
    /// Whether another one's response was enough, where it waited for one.
    pub(super) collapsed: Option<bool>,
    /// The request that is sent in place of the client's.
    pub(super) request: Option<Request>,
    /// It asks whether the stored response holds.
    pub(super) validates: bool,
    /// The stored response stands for an error.
    pub(super) covers: bool,
    pub(super) is_safe: bool,
    pub(super) asked_at: u64,
    pub(super) now: fn() -> u64,
}

pub(super) struct Recorder<'a, X> {
    inner: &'a mut X,
    errand: Errand<'a>,
    pub(super) outcome: Outcome,
    status: u16,
    by_coding: ByCoding,
    recording: Option<Recording<'a>>,
}

/// A body that is being kept.
struct Recording<'a> {
    sheet: filing::Sheet,
    body: BytesMut,
    /// Of the bytes that wait for the client, those that are in `body` already.
    seen: usize,
    length: Option<u64>,
    share: Share<'a>,
}

/// What a body takes of the room for those that are being kept.
struct Share<'a> {
    edge: &'a EdgeCache,
    bytes: u64,
}

impl Share<'_> {
    /// Whether there is room for so many bytes more.
    fn grow(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        let sum = self.edge.recorded.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let options = &self.edge.options;
        self.bytes <= options.max_object && sum <= options.max_bytes / RECORDED
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.edge.recorded.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Recording<'_> {
    /// Takes what is new in `data`; whether there was room for it.
    fn take(&mut self, data: &[u8]) -> bool {
        let new = data.get(self.seen..).unwrap_or_default();
        let room = self.share.grow(new.len() as u64);
        if room {
            self.body.extend_from_slice(new);
        }
        room
    }

    fn is_whole(&self) -> bool {
        self.length.is_none_or(|length| length == self.body.len() as u64)
    }
}

impl<'a, X: Exchange> Recorder<'a, X> {
    pub(super) fn new(inner: &'a mut X, errand: Errand<'a>) -> Self {
        Self {
            inner,
            errand,
            outcome: Outcome::Passed,
            status: 0,
            by_coding: ByCoding::No,
            recording: None,
        }
    }

    /// Whether the client gets nothing of the response.
    fn keeps_back(&self) -> bool {
        !matches!(self.outcome, Outcome::Passed)
    }

    fn judge(&self, status: u16, fields: &Fields) -> Outcome {
        let errand = &self.errand;
        let Some((head, _)) = errand.place.head() else {
            return Outcome::Passed;
        };
        match status {
            304 if errand.validates => match validation::speaks_of(fields, |name| head.get(name)) {
                true => Outcome::Holds(self.update(fields)),
                false => Outcome::Another,
            },
            _ if errand.covers && is_error(status) => Outcome::Failed(status),
            _ => Outcome::Passed,
        }
    }

    /// Begins to keep the response if it may be kept; its time to live then.
    fn begin(&mut self, status: u16, fields: &Fields, body: ReplyBody) -> Option<u32> {
        let errand = &self.errand;
        let (edge, place) = (errand.edge, errand.place);
        if errand.permit == Permit::None {
            return None;
        }
        let length = match body {
            ReplyBody::Length(length) => Some(length),
            ReplyBody::Empty(_) => Some(0),
            _ => None,
        };
        let times = self.times();
        let too_large = length.is_some_and(|length| length > edge.options.max_object);
        let allowed = filing::verdict(errand.asked, status, fields).is_ok() && !too_large;
        let sheet = match allowed {
            true => filing::sheet(&place.primary, status, fields, self.by_coding, times, &edge.options),
            false => None,
        };
        let Some(sheet) = sheet else {
            self.release(allowed || too_large || filing::is_for_nobody(status, fields));
            return None;
        };
        let ttl = sheet.ttl;
        self.recording = Some(Recording {
            sheet,
            body: BytesMut::with_capacity(length.unwrap_or(0).min(ROOM) as usize),
            seen: 0,
            length,
            share: Share { edge, bytes: 0 },
        });
        Some(ttl)
    }

    /// Nothing is stored: those who wait need not do so any longer, and where that would always be so, nobody need.
    fn release(&mut self, always: bool) {
        self.recording = None;
        let errand = &mut self.errand;
        let store = &errand.edge.store;
        if always {
            errand.place.put_pass(store, errand.permit);
        }
        if let Permit::Lease(lease) = errand.permit {
            store.give_up(errand.place.key(), lease);
        }
        errand.permit = Permit::None;
    }

    fn record(&mut self, data: &[u8]) {
        if self.recording.as_mut().is_some_and(|recording| !recording.take(data)) {
            self.release(true);
        }
    }

    /// The response is whole.
    fn store(&mut self) {
        let Some(recording) = self.recording.take() else {
            return;
        };
        if recording.is_whole() {
            let errand = &self.errand;
            let Recording { sheet, body, .. } = recording;
            let (store, request) = (&errand.edge.store, self.inner.request());
            errand.place.put(store, request, errand.permit, &sheet, &body);
        }
    }

    /// A HEAD says whether what is stored still holds, and with which fields (RFC 9111, 4.3.5).
    fn compare_head(&self, status: u16, fields: &Fields, body: ReplyBody) {
        let errand = &self.errand;
        let Some((head, hit)) = errand.place.head().filter(|_| status == 200) else {
            return;
        };
        let length = match body {
            ReplyBody::Empty(length) => length,
            _ => None,
        };
        let same = head.status == status
            && validation::matches_head(fields, |name| head.get(name))
            && length.is_none_or(|length| length == hit.value.len() as u64);
        if same {
            let (request, update) = (self.inner.request(), self.update(fields));
            freshen(errand.edge, errand.asked, request, errand.place, errand.permit, &update);
        } else {
            errand.edge.store.remove(errand.place.key(), true);
        }
    }

    fn update(&self, told: &Fields) -> Update {
        let mut fields = Fields::new();
        told.iter().for_each(|field| fields.push(field.name, field.value));
        Update {
            fields,
            times: self.times(),
        }
    }

    fn times(&self) -> Times {
        Times {
            asked: self.errand.asked_at,
            received: (self.errand.now)(),
        }
    }
}

impl<X: Exchange> Exchange for Recorder<'_, X> {
    fn request(&self) -> &Request {
        self.errand.request.as_ref().unwrap_or_else(|| self.inner.request())
    }

    fn peer(&self) -> &Peer {
        self.inner.peer()
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<Result<Part, BodyError>> {
        self.inner.poll_body(cx, into)
    }

    fn trailers(&self) -> Option<&Fields> {
        self.inner.trailers()
    }

    fn interim<'f>(&mut self, status: u16, fields: impl Iterator<Item = Field<'f>>) {
        self.inner.interim(status, fields);
    }

    fn close_after(&mut self) {
        self.inner.close_after();
    }

    fn leave_body(&mut self) {
        self.inner.leave_body();
    }

    fn varies_by_coding(&mut self, alone: bool) {
        self.by_coding = if alone { ByCoding::Alone } else { ByCoding::Also };
    }

    fn start<'f>(&mut self, status: u16, reason: &[u8], fields: impl Iterator<Item = Field<'f>>, body: ReplyBody) {
        self.status = status;
        let mut told = Fields::new();
        fields.for_each(|field| told.push(field.name, field.value));
        if told.known(Known::Date).is_none() {
            // A response without a date has that of its arrival (RFC 9110, 6.6.1).
            let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs((self.errand.now)());
            told.push(b"Date", httpdate::fmt_http_date(now).as_bytes());
        }
        self.outcome = self.judge(status, &told);
        if self.keeps_back() {
            return;
        }
        if !self.errand.is_safe && (200..400).contains(&status) {
            invalidate(self.errand.edge, &self.errand.place.primary, &told);
        }
        if self.inner.request().is_head() {
            self.compare_head(status, &told, body);
        }
        let ttl = self.begin(status, &told, body);
        let member = CacheStatus {
            forwarded: Some(self.errand.why),
            server_said: None,
            stored: ttl.is_some(),
            collapsed: self.errand.collapsed,
            ttl: ttl.map(i64::from),
        };
        let member = member.member(self.errand.name);
        let passed = told.iter().filter(|field| !groups::is_spoken_to_us(field.name));
        let fields = passed.chain([Field::new(b"Cache-Status", member.as_bytes())]);
        self.inner.start(status, reason, fields, body);
    }

    fn started(&self) -> bool {
        self.keeps_back() || self.inner.started()
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn wants_large_pieces(&mut self) -> bool {
        self.inner.wants_large_pieces()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut BytesMut) -> Poll<Result<(), Gone>> {
        if self.keeps_back() {
            data.clear();
            return Poll::Ready(Ok(()));
        }
        self.record(data);
        let written = self.inner.poll_write(cx, data);
        if let Some(recording) = &mut self.recording {
            recording.seen = data.len();
        }
        written
    }

    fn poll_write_shared(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), Gone>> {
        if self.keeps_back() {
            data.clear();
            return Poll::Ready(Ok(()));
        }
        self.record(data);
        let written = self.inner.poll_write_shared(cx, data);
        if let Some(recording) = &mut self.recording {
            recording.seen = data.len();
        }
        written
    }

    fn can_splice(&self) -> bool {
        self.recording.is_none() && !self.keeps_back() && self.inner.can_splice()
    }

    fn poll_splice(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<Result<(), Gone>> {
        self.inner.poll_splice(cx, pipe)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match self.keeps_back() {
            true => Poll::Ready(Ok(())),
            false => self.inner.poll_flush(cx),
        }
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: Option<&Fields>) -> Poll<Result<(), Gone>> {
        if self.keeps_back() {
            return Poll::Ready(Ok(()));
        }
        // Whoever waits for it need not wait for this client.
        self.store();
        ready!(self.inner.poll_finish(cx, trailers))?;
        Poll::Ready(Ok(()))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_gone(cx)
    }
}
