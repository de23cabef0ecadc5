//! How a request ends that a service does not answer as it was asked.

use std::borrow::Cow;

use crate::{
    http::{coding::UNDERSTOOD, exchange::Exchange, fields::Field, reply::send_whole},
    metrics::Refused,
};

/// The kind of every answer that is no value.
pub const JSON: &[u8] = b"application/json; charset=UTF-8";

/// Why a request is refused, and what to do.
pub struct Refusal {
    pub why: Refused,
    message: Cow<'static, str>,
    /// A field that goes with it.
    field: Option<Field<'static>>,
}

/// How a request ends that is not answered as it was asked.
pub enum Stop {
    Refuse(Refusal),
    /// Nobody is there to be answered.
    Gone,
}

pub fn refuse(why: Refused, message: impl Into<Cow<'static, str>>) -> Stop {
    let message = message.into();
    let field = match why {
        Refused::UnsupportedCoding => Some(Field::new(b"Accept-Encoding", UNDERSTOOD.as_bytes())),
        _ => None,
    };
    Stop::Refuse(Refusal { why, message, field })
}

/// The same, with a field that the status asks for (405: `Allow`, 401: `WWW-Authenticate`).
pub fn refuse_with(why: Refused, message: &'static str, name: &'static [u8], value: &'static [u8]) -> Stop {
    let (message, field) = (message.into(), Some(Field::new(name, value)));
    Stop::Refuse(Refusal { why, message, field })
}

impl Refusal {
    /// Answers with it. `wait` is for `Retry-After`, in seconds.
    pub async fn send(&self, exchange: &mut impl Exchange, wait: u32) {
        exchange.leave_body();
        let body = serde_json::json!({"error": self.why.code(), "message": self.message});
        let wait = wait.max(1).to_string();
        let wait = match self.why.status() {
            409 | 503 | 507 => Some(Field::new(b"Retry-After", wait.as_bytes())),
            _ => None,
        };
        let fields = [
            Field::new(b"Content-Type", JSON),
            Field::new(b"Cache-Control", b"no-store"),
        ];
        let fields = fields.into_iter().chain(wait).chain(self.field);
        send_whole(exchange, self.why.status(), fields, format!("{body}\n").as_bytes()).await;
    }
}

/// The service is about to end.
pub fn stopping() -> Stop {
    refuse(Refused::Stopping, "The service is stopping; try again shortly.")
}
