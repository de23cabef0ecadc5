//! One request: refused before its body is read where that is possible, read, checked, appended, answered when it is safe.

use std::{io::Write, sync::Arc, time::Instant};

use bytes::Bytes;

use super::{
    Ingest,
    collection::{self, Collection},
    options::Ack,
};
use crate::{
    http::{
        coding::Coding,
        exchange::{Exchange, Handler},
        fields::Field,
        reply::send_shared,
    },
    intake::{Local, Pending, one_line},
    journal::{Appended, Key, Record},
    metrics::Refused,
    service::{JSON, Stop, refuse, refuse_with},
};

/// Room for an answer: its words and three numbers of 20 digits at most.
const ANSWER: usize = 128;

/// A collection that was taken: `Err` has the numbers that it got when it came before.
struct Taken {
    payloads: usize,
    stored: Result<Pending, Appended>,
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
    pub(super) local: Local,
}

impl Handler for Server {
    async fn handle<X: Exchange>(&self, exchange: &mut X) {
        let began = Instant::now();
        let outcome = match self.accept(exchange).await {
            Ok(accepted) => {
                send_accepted(exchange, &accepted).await;
                Ok(())
            }
            Err(stop) => Err(stop),
        };
        self.local.end(exchange, began, outcome).await;
    }
}

impl Server {
    async fn accept(&self, exchange: &mut impl Exchange) -> Result<Accepted, Stop> {
        let (stream, coding) = self.admit(exchange)?;
        let body = self.local.read(exchange, coding).await?;
        let taken = self.take(exchange, stream, &body);
        self.local.thread.buffers.give(body);
        let Taken { payloads, stored } = taken?;
        let numbers = match stored {
            Ok(pending) if self.ingest.options.ack == Ack::Memory => pending.numbers,
            Ok(pending) => pending.safe().await?,
            Err(numbers) => numbers,
        };
        let ack = match self.ingest.options.ack {
            // Boxed, so that the others don't carry the room for it.
            Ack::Object => Box::pin(self.landed(exchange, numbers)).await?,
            ack => ack,
        };
        Ok(Accepted { payloads, numbers, ack })
    }

    /// Whatever can be refused by the head alone.
    fn admit(&self, exchange: &impl Exchange) -> Result<(u16, Coding), Stop> {
        let request = exchange.request();
        let mut streams = self.ingest.options.streams.iter();
        let Some((_, stream)) = streams.find(|(path, _)| path.as_bytes() == request.path()) else {
            return Err(refuse(Refused::NotFound, "Nothing is collected at this path."));
        };
        if request.method() != b"POST" {
            let why = "Collections are posted: use POST.";
            return Err(refuse_with(Refused::MethodNotAllowed, why, b"Allow", b"POST"));
        }
        Ok((*stream, self.local.admit(exchange)?))
    }

    /// Reads a body and appends what is in it. All that refers to the body is done with here, so that a request that waits
    /// holds nothing of it.
    fn take(&self, exchange: &impl Exchange, stream: u16, body: &[u8]) -> Result<Taken, Stop> {
        let collection = collection::parse(body).map_err(|why| refuse(Refused::BadRequest, why.to_string()))?;
        if !self.ingest.knows(&collection.token) {
            return Err(refuse(
                Refused::Unauthorized,
                "The collection's token is none of the configured ones.",
            ));
        }
        let key = self.local.key(exchange, stream, &collection.token, body)?;
        let stored = match self.local.accepted_before(key.as_ref())? {
            Some(numbers) => Err(numbers),
            None => Ok(self.append(stream, key, &collection)?),
        };
        Ok(Taken {
            payloads: collection.payloads.len(),
            stored,
        })
    }

    fn append(&self, stream: u16, key: Option<Key>, collection: &Collection<'_>) -> Result<Pending, Stop> {
        let lines: Vec<_>;
        let payloads: Vec<&[u8]> = if collection.is_line {
            collection.payloads.iter().map(|payload| payload.as_bytes()).collect()
        } else {
            lines = collection.payloads.iter().copied().map(one_line).collect();
            lines.iter().map(|line| line.as_bytes()).collect()
        };
        let record = Record {
            stream,
            key,
            payloads: &payloads,
        };
        self.local.append(record)
    }

    /// Where `numbers` are once they have landed, or their time is over.
    async fn landed(&self, exchange: &mut impl Exchange, numbers: Appended) -> Result<Ack, Stop> {
        let longest = self.ingest.options.landing_timeout;
        match self.local.await_landing(exchange, numbers, longest).await? {
            true => Ok(Ack::Object),
            false => Ok(Ack::Disk),
        }
    }
}

async fn send_accepted(exchange: &mut impl Exchange, accepted: &Accepted) {
    let fields = [Field::new(b"Content-Type", JSON)];
    send_shared(exchange, 200, fields.into_iter(), answer(accepted)).await;
}

fn answer(Accepted { payloads, numbers, ack }: &Accepted) -> Bytes {
    let (mut count, mut first, mut last) = (itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new());
    let (first, last) = match payloads {
        0 => ("null", "null"),
        _ => (first.format(numbers.first), last.format(numbers.last)),
    };
    let mut text = [0; ANSWER];
    let mut rest = &mut text[..];
    for part in [
        "{\"accepted\": ",
        count.format(*payloads),
        ", \"first\": ",
        first,
        ", \"last\": ",
        last,
        ", \"ack\": \"",
        ack.name(),
        "\"}\n",
    ] {
        // There is room for all.
        let _ = rest.write_all(part.as_bytes());
    }
    let length = ANSWER - rest.len();
    Bytes::copy_from_slice(&text[..length])
}
