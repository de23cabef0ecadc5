//! One request: refused before its body is read where that is possible, read, checked, appended, answered when it is safe.

use std::{sync::Arc, time::Instant};

use super::{
    Ingest,
    collection::{self, Collection},
    options::{Ack, Options},
};
use crate::{
    http::{
        coding::Coding,
        exchange::{Exchange, Handler},
        fields::Field,
        reply::send_whole,
    },
    intake::{Local, one_line},
    journal::{Appended, Key, Record},
    metrics::Refused,
    service::{JSON, Stop, refuse, refuse_with},
};

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
        let accepted = self.store(exchange, stream, &body).await;
        self.local.thread.buffers.give(body);
        accepted
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

    async fn store(&self, exchange: &mut impl Exchange, stream: u16, body: &[u8]) -> Result<Accepted, Stop> {
        let collection = collection::parse(body).map_err(|why| refuse(Refused::BadRequest, why.to_string()))?;
        if !self.ingest.knows(&collection.token) {
            return Err(refuse(
                Refused::Unauthorized,
                "The collection's token is none of the configured ones.",
            ));
        }
        let key = self.local.key(exchange, stream, &collection.token, body)?;
        let numbers = match self.local.accepted_before(key.as_ref())? {
            Some(numbers) => numbers,
            None => self.append(stream, key, &collection, body).await?,
        };
        self.finish(exchange, collection.payloads.len(), numbers).await
    }

    /// Appends `collection`, which was read from `body`, and waits until it is safe, where that is asked for.
    async fn append(
        &self,
        stream: u16,
        key: Option<Key>,
        collection: &Collection<'_>,
        body: &[u8],
    ) -> Result<Appended, Stop> {
        let lines: Vec<_>;
        let payloads: Vec<&[u8]> = if memchr::memchr2(b'\n', b'\r', body).is_none() {
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
        self.local.append(record, self.ingest.options.ack != Ack::Memory).await
    }

    /// What is safe has landed, or its time is over.
    async fn finish(&self, exchange: &mut impl Exchange, payloads: usize, numbers: Appended) -> Result<Accepted, Stop> {
        let Options {
            ack, landing_timeout, ..
        } = self.ingest.options;
        let ack = match ack {
            Ack::Object if !self.local.await_landing(exchange, numbers, landing_timeout).await? => Ack::Disk,
            ack => ack,
        };
        Ok(Accepted { payloads, numbers, ack })
    }
}

async fn send_accepted(exchange: &mut impl Exchange, accepted: &Accepted) {
    let Accepted { payloads, numbers, ack } = accepted;
    let (mut count, mut first, mut last) = (itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new());
    let (first, last) = match payloads {
        0 => ("null", "null"),
        _ => (first.format(numbers.first), last.format(numbers.last)),
    };
    let parts = [
        "{\"accepted\": ",
        count.format(*payloads),
        ", \"first\": ",
        first,
        ", \"last\": ",
        last,
        ", \"ack\": \"",
        ack.name(),
        "\"}\n",
    ];
    let fields = [Field::new(b"Content-Type", JSON)];
    send_whole(exchange, 200, fields.into_iter(), parts.concat().as_bytes()).await;
}
