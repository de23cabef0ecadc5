//! Responses that headrace gives itself: the errors of the contract.
//!
//! JSON for programs, plain text for browsers, which say that they want HTML.

use std::{future::poll_fn, task::ready};

use bytes::Bytes;

use super::{
    exchange::{Exchange, ReplyBody},
    fields::{Field, Known},
    head::Refusal,
};
use crate::metrics::Refused;

/// Seconds after which a refused client may well try again.
const RETRY_AFTER: &[u8] = b"1";

#[derive(Debug, Clone, Copy)]
pub struct Problem {
    pub why: Refused,
    pub message: &'static str,
}

impl Problem {
    pub const fn new(why: Refused, message: &'static str) -> Self {
        Self { why, message }
    }

    pub fn status(self) -> u16 {
        self.why.status()
    }

    fn body(self, browser: bool) -> String {
        match browser {
            true => format!("{} {}\n\n{}\n", self.status(), reason(self.status()), self.message),
            false => format!(
                "{{\"error\": \"{}\", \"message\": \"{}\"}}\n",
                self.why.code(),
                self.message
            ),
        }
    }

    fn fields<'a>(self, browser: bool) -> impl Iterator<Item = Field<'a>> {
        let kind: &[u8] = match browser {
            true => b"text/plain; charset=utf-8",
            false => b"application/json",
        };
        let wait = (self.status() == 503).then(|| Field::new(b"Retry-After", RETRY_AFTER));
        let allow =
            (self.status() == 405).then(|| Field::new(b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        let kept = [
            Field::new(b"Content-Type", kind),
            Field::new(b"Cache-Control", b"no-store"),
        ];
        kept.into_iter().chain(wait).chain(allow)
    }

    /// Answers with it, where no other response was begun. `server` is the name for the field of that name.
    pub async fn send(self, exchange: &mut impl Exchange, server: Option<&str>) {
        if exchange.started() {
            return;
        }
        let browser = wants_html(exchange);
        let text = self.body(browser);
        // What is left of a request that is at fault is not worth waiting for.
        if self.status() < 500 {
            exchange.close_after();
        }
        let server = server.map(|name| Field::new(b"Server", name.as_bytes()));
        let fields = self.fields(browser).chain(server);
        send_whole(exchange, self.status(), fields, text.as_bytes()).await;
    }
}

/// Answers with a response that is all there; to HEAD only with its head.
pub async fn send_whole<'f>(
    exchange: &mut impl Exchange,
    status: u16,
    fields: impl Iterator<Item = Field<'f>>,
    body: &[u8],
) {
    send_shared(exchange, status, fields, Bytes::copy_from_slice(body)).await;
}

/// The same with a body that others hold as well.
pub async fn send_shared<'f>(
    exchange: &mut impl Exchange,
    status: u16,
    fields: impl Iterator<Item = Field<'f>>,
    mut body: Bytes,
) {
    let head = exchange.request().is_head();
    let length = body.len() as u64;
    let framing = match (status, head) {
        // Such a response has no body, and says nothing of its length (RFC 9110, 8.6).
        (204 | 304, _) => ReplyBody::Empty(None),
        (_, true) => ReplyBody::Empty(Some(length)),
        (_, false) => ReplyBody::Length(length),
    };
    exchange.start(status, reason(status).as_bytes(), fields, framing);
    if !matches!(framing, ReplyBody::Length(_)) {
        body.clear();
    }
    // A client that is gone needs no answer.
    let _ = poll_fn(|cx| {
        if !body.is_empty() {
            ready!(exchange.poll_write_shared(cx, &mut body))?;
        }
        exchange.poll_finish(cx, None)
    })
    .await;
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let why = match refusal.status() {
            414 => Refused::UriTooLong,
            417 => Refused::ExpectationFailed,
            431 => Refused::HeadTooLarge,
            _ => Refused::BadRequest,
        };
        Self::new(why, refusal.message())
    }
}

fn wants_html(exchange: &impl Exchange) -> bool {
    let accept = exchange.request().fields().get(b"accept");
    accept.is_some_and(|value| memchr::memmem::find(value, b"text/html").is_some())
}

/// The reason phrase of a status that headrace itself gives.
pub fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("")
}

/// Whether a response says when it was made; one that does not gets the current `Date` (RFC 9110, 6.6.1).
pub fn is_date(field: &Field<'_>) -> bool {
    field.known == Known::Date
}
