//! One request to the collector: entries are read, put into the journal, and acknowledged when they are safe there.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `POST /` | entries of our own (`json`) | 200 with counts and what is wrong with which |
//! | `POST /loki/api/v1/push` | Loki's (`loki`) | 204 |
//! | `POST /v1/logs` | OTLP's (`otlp`) | 200, `partialSuccess` where some were refused |
//! | `GET /search`, `GET /tail` | | what was written (`reading`) |

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    batch::{Batch, Batches},
    json::{self, Malformed},
    loki,
    options::Options,
    otlp,
    reading::Reading,
};
use crate::{
    engine::Thread,
    http::{
        exchange::{Exchange, Handler},
        fields::Field,
        reply::send_whole,
    },
    intake::{Intake, Local, Pending},
    journal::{Journal, Record},
    listener::Source,
    metrics::Refused,
    service::{self, JSON, Stop, refuse, refuse_with},
};

/// The journal's only stream.
pub(super) const STREAM: u16 = 0;
/// What all engine threads share of one log server.
pub struct Logs {
    pub(super) options: Options,
    pub(super) intake: Arc<Intake>,
    reading: Option<Arc<Reading>>,
}

impl Logs {
    /// Remembers the idempotency keys that the journal still has. Without `reading` nothing can be read back.
    pub fn new(journal: Arc<Journal>, options: Options, reading: Option<Arc<Reading>>) -> Arc<Self> {
        let intake = Intake::new(journal, options.intake.clone());
        Arc::new(Self {
            options,
            intake,
            reading,
        })
    }

    /// What `Retry-After` says from now on.
    pub fn set_retry_after(&self, after: Duration) {
        self.intake.set_retry_after(after);
    }
}

/// The source of an engine's handlers.
pub struct Served(pub Arc<Logs>);

impl Source for Served {
    type Handler = Server;

    fn handler(&self, thread: &Rc<Thread>) -> Rc<Server> {
        Rc::new(Server {
            logs: Arc::clone(&self.0),
            local: self.0.intake.local(thread),
            batches: Batches::new(self.0.options.max_ahead),
        })
    }
}

/// An engine thread's side of the service.
pub struct Server {
    logs: Arc<Logs>,
    local: Local,
    batches: Batches,
}

/// Whose form a body has, and the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Own,
    Loki,
    Otlp,
}

impl Form {
    fn at(path: &[u8]) -> Option<Self> {
        match path {
            b"/" => Some(Self::Own),
            b"/loki/api/v1/push" => Some(Self::Loki),
            b"/v1/logs" => Some(Self::Otlp),
            _ => None,
        }
    }

    fn read(self, body: &[u8], batch: &mut Batch) -> Result<(), Malformed> {
        match self {
            Self::Own => json::read(body, batch),
            Self::Loki => loki::read(body, batch),
            Self::Otlp => otlp::read(body, batch),
        }
    }
}

impl Handler for Server {
    async fn handle<X: Exchange>(&self, exchange: &mut X) {
        let began = Instant::now();
        let outcome = self.answer(exchange).await;
        self.local.end(exchange, began, outcome).await;
    }
}

impl Server {
    async fn answer(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        let request = exchange.request();
        service::check(request, &self.logs.options.tokens)?;
        match (request.path(), &self.logs.reading) {
            (b"/search", Some(reading)) => return reading.search(exchange).await,
            (b"/tail", Some(reading)) => return reading.tail(exchange, &self.local.thread).await,
            _ => {}
        }
        let Some(form) = Form::at(request.path()) else {
            let why = "Entries are posted to /, /loki/api/v1/push or /v1/logs, and read at /search and /tail.";
            return Err(refuse(Refused::NotFound, why));
        };
        if request.method() != b"POST" {
            let why = "Entries are posted: use POST.";
            return Err(refuse_with(Refused::MethodNotAllowed, why, b"Allow", b"POST"));
        }
        self.collect(exchange, form).await
    }

    async fn collect(&self, exchange: &mut impl Exchange, form: Form) -> Result<(), Stop> {
        if form != Form::Own && is_protobuf(exchange) {
            let why = "Only the JSON form is understood: send Content-Type: application/json.";
            return Err(refuse_with(
                Refused::UnsupportedType,
                why,
                b"Accept",
                b"application/json",
            ));
        }
        let coding = self.local.admit(exchange)?;
        let body = self.local.read(exchange, coding).await?;
        let taken = self.take(exchange, form, &body);
        self.local.thread.buffers.give(body);
        let (batch, pending) = taken?;
        if let Some(pending) = pending {
            pending.safe().await?;
        }
        if batch.accepted() == 0 && batch.refused() > 0 {
            self.local.thread.counters().refuse(Refused::BadRequest);
        }
        send_verdict(exchange, form, &batch).await;
        self.batches.keep(batch);
        Ok(())
    }

    /// Reads the entries of a body, and stores those that are some, unless they came before.
    fn take(&self, exchange: &impl Exchange, form: Form, body: &[u8]) -> Result<(Batch, Option<Pending>), Stop> {
        let mut batch = self.batches.begin();
        form.read(body, &mut batch)
            .map_err(|why| refuse(Refused::BadRequest, why))?;
        let pending = match batch.accepted() {
            0 => None,
            _ => self.store(exchange, form, body, &batch)?,
        };
        Ok((batch, pending))
    }

    fn store(&self, exchange: &impl Exchange, form: Form, body: &[u8], batch: &Batch) -> Result<Option<Pending>, Stop> {
        let key = self.local.key(exchange, form as u16, "", body)?;
        if self.local.accepted_before(key.as_ref())?.is_some() {
            return Ok(None);
        }
        let record = Record {
            stream: STREAM,
            key,
            payloads: &batch.entries(),
        };
        self.local.append(record).map(Some)
    }
}

async fn send_verdict(exchange: &mut impl Exchange, form: Form, batch: &Batch) {
    let (accepted, refused) = (batch.accepted(), batch.refused());
    let status = match form {
        _ if accepted == 0 && refused > 0 => 400,
        Form::Loki => 204,
        _ => 200,
    };
    let text = match (form, status) {
        (Form::Loki, 204) => String::new(),
        (Form::Otlp, 200) => partial_success(batch),
        _ => verdict(batch),
    };
    let kind = [Field::new(b"Content-Type", JSON)]
        .into_iter()
        .filter(|_| !text.is_empty());
    send_whole(exchange, status, kind, text.as_bytes()).await;
}

fn verdict(batch: &Batch) -> String {
    let (accepted, refused) = (batch.accepted(), batch.refused());
    if refused == 0 {
        return format!("{{\"accepted\": {accepted}, \"refused\": 0, \"errors\": []}}\n");
    }
    let errors: Vec<_> = batch
        .errors()
        .iter()
        .map(|(index, error)| serde_json::json!({"index": index, "error": error}))
        .collect();
    let mut verdict = serde_json::json!({"accepted": accepted, "refused": refused, "errors": errors});
    if accepted == 0 {
        verdict["error"] = Refused::BadRequest.code().into();
        verdict["message"] = "No entry could be taken; errors tell why.".into();
    }
    format!("{verdict}\n")
}

/// `ExportLogsServiceResponse`.
fn partial_success(batch: &Batch) -> String {
    let Some((_, why)) = batch.errors().first() else {
        return "{}\n".to_owned();
    };
    let partial = serde_json::json!({"rejectedLogRecords": batch.refused().to_string(), "errorMessage": why});
    format!("{}\n", serde_json::json!({"partialSuccess": partial}))
}

/// Clients of Loki and of OpenTelemetry have a binary form too.
fn is_protobuf(exchange: &impl Exchange) -> bool {
    let kind = exchange.request().fields().get(b"content-type").unwrap_or_default();
    memchr::memmem::find(&kind.to_ascii_lowercase(), b"protobuf").is_some()
}
