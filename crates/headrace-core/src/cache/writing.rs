//! The calls that change what is kept.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{
    Lifetime, New, Stored,
    batch::{self, Operation, is_kind, perform},
    parameters::{self, Target, bad},
    server::{Server, misunderstood},
};
use crate::{
    http::{
        exchange::Exchange,
        fields::Field,
        head::{BodyKind, Request},
        reply::send_whole,
    },
    metrics::Refused,
    service::{JSON, Stop, Unread, begin, finish, refuse, refuse_with, stopping, while_wanted, write, write_shared},
};

/// Answers of a batch gather up to here before they are sent; a value that is longer is sent by itself.
const GATHER: usize = 64 * 1024;

/// What is to be stored, as the head says.
struct Given {
    key: Vec<u8>,
    kind: Vec<u8>,
    life: Lifetime,
    tags: Vec<Vec<u8>>,
    lease: Option<u64>,
    over: Option<u64>,
}

impl Server {
    /// `PUT /` and `POST /`. No body is the empty value.
    pub(super) async fn set(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        let most = self.shared.options.max_value;
        let given = given(exchange.request())?;
        let body = self.read(exchange, most, too_large).await?;
        let tags: Vec<&[u8]> = given.tags.iter().map(Vec::as_slice).collect();
        let stored = self.shared.store.set(New {
            key: &given.key,
            value: &body,
            meta: &given.kind,
            life: given.life,
            tags: &tags,
            lease: given.lease,
            over: given.over,
            ..New::default()
        });
        self.thread.buffers.give(body);
        match stored {
            Stored::Yes(_) => {
                send_nothing(exchange).await;
                Ok(())
            }
            Stored::TooLarge => Err(too_large(most)),
            Stored::LeaseLost if given.over.is_some() => Err(refuse(
                Refused::PreconditionFailed,
                "Another value is there by now, or none that is fresh; nothing was stored.",
            )),
            Stored::LeaseLost => Err(refuse(
                Refused::LeaseLost,
                "The lease ran out, or what it is for was invalidated since; nothing was stored.",
            )),
        }
    }

    pub(super) async fn delete(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        without(
            exchange.request(),
            &[b"if-match", b"if-none-match", b"if-unmodified-since"],
        )?;
        let key = parameters::key(exchange.request().target()).map_err(misunderstood)?;
        if self.shared.store.remove(&key, false) {
            send_nothing(exchange).await;
            Ok(())
        } else {
            drop(key);
            super::reply::send_absent(exchange, None).await;
            Ok(())
        }
    }

    pub(super) async fn invalidate(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        let store = &self.shared.store;
        let (target, soft) = parameters::invalidated(exchange.request().target()).map_err(misunderstood)?;
        let count = match target {
            Target::Key(key) => u64::from(store.remove(&key, soft)),
            Target::Tag(tag) => store.invalidate_tag(&tag, soft),
            Target::Prefix(prefix) => {
                let prefix = prefix.into_owned();
                self.invalidate_prefix(exchange, prefix, soft).await?
            }
        };
        let fields = [Field::new(b"Content-Type", JSON)];
        let body = format!("{{\"invalidated\": {count}}}\n");
        send_whole(exchange, 200, fields.into_iter(), body.as_bytes()).await;
        Ok(())
    }

    async fn invalidate_prefix(&self, exchange: &mut impl Exchange, prefix: Vec<u8>, soft: bool) -> Result<u64, Stop> {
        let store = Arc::clone(&self.shared.store);
        let work = self.shared.aside.run(move |_| store.invalidate_prefix(&prefix, soft));
        while_wanted(exchange, work).await?.ok_or_else(stopping)
    }

    pub(super) async fn batch(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        let body = self
            .read(exchange, self.shared.options.max_batch, batch_too_large)
            .await?;
        let outcome = self.answer_batch(exchange, &body).await;
        self.thread.buffers.give(body);
        outcome
    }

    async fn answer_batch(&self, exchange: &mut impl Exchange, body: &[u8]) -> Result<(), Stop> {
        let operations = batch::read(body).map_err(misunderstood)?;
        begin(exchange, batch::KIND);
        let mut out = BytesMut::new();
        for operation in &operations {
            match self.perform(exchange, operation, &mut out).await? {
                Some(value) if value.len() > GATHER => {
                    write(exchange, &out.split()).await?;
                    write_shared(exchange, value).await?;
                    out.extend_from_slice(b"\n");
                }
                Some(value) => {
                    out.extend_from_slice(&value);
                    out.extend_from_slice(b"\n");
                }
                None => {}
            }
            if out.len() > GATHER {
                write(exchange, &out.split()).await?;
            }
        }
        write(exchange, &out).await?;
        finish(exchange).await
    }

    /// Does one of them and appends its answer; the value, if there is one, belongs behind it.
    async fn perform(
        &self,
        exchange: &mut impl Exchange,
        operation: &Operation<'_>,
        out: &mut BytesMut,
    ) -> Result<Option<Bytes>, Stop> {
        match operation {
            Operation::Invalidate {
                target: Target::Prefix(prefix),
                soft,
            } => {
                let count = self.invalidate_prefix(exchange, prefix.to_vec(), *soft).await?;
                batch::invalidated(count, out);
                Ok(None)
            }
            _ => Ok(perform(&self.shared.store, operation, out)),
        }
    }

    /// A body of at most so many bytes; refused unread where its length says that it has more.
    async fn read(
        &self,
        exchange: &mut impl Exchange,
        most: usize,
        refusal: impl Fn(usize) -> Stop,
    ) -> Result<BytesMut, Stop> {
        if matches!(exchange.request().body, BodyKind::Length(length) if length > most as u64) {
            return Err(refusal(most));
        }
        let mut body = self.thread.buffers.take();
        match self.shared.room.read(exchange, &mut body, most).await {
            Ok(()) => Ok(body),
            Err(Unread::TooLarge) => Err(refusal(most)),
            Err(Unread::Stop(stop)) => Err(stop),
        }
    }
}

/// What a head says of the value that follows it.
fn given(request: &Request) -> Result<Given, Stop> {
    without(request, &[b"if-none-match", b"if-unmodified-since"])?;
    let fields = request.fields();
    if fields
        .get(b"content-encoding")
        .is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity"))
    {
        let why = "Values are kept as they are: leave Content-Encoding out, and say by Content-Type what they are.";
        return Err(refuse_with(
            Refused::UnsupportedType,
            why,
            b"Accept-Encoding",
            b"identity",
        ));
    }
    let kind = fields.get(b"content-type").unwrap_or_default();
    if !is_kind(kind) {
        return Err(misunderstood(bad(format!(
            "Content-Type has at most {} plain characters",
            batch::MAX_TYPE
        ))));
    }
    let tags = parameters::tags(fields.iter().map(|field| (field.name, field.value))).map_err(misunderstood)?;
    Ok(Given {
        key: parameters::key(request.target()).map_err(misunderstood)?.into_owned(),
        kind: kind.to_vec(),
        life: parameters::lifetime(fields.get_all(b"cache-control")).map_err(misunderstood)?,
        tags: tags.into_iter().map(<[u8]>::to_vec).collect(),
        lease: fields
            .get(b"lease")
            .map(parameters::lease)
            .transpose()
            .map_err(misunderstood)?,
        over: fields
            .get(b"if-match")
            .map(parameters::version)
            .transpose()
            .map_err(misunderstood)?,
    })
}

/// A condition that is overlooked does harm (RFC 9110, 13.2.1).
fn without(request: &Request, conditions: &[&[u8]]) -> Result<(), Stop> {
    match conditions.iter().any(|name| request.fields().get(name).is_some()) {
        true => Err(refuse(
            Refused::BadRequest,
            "There are no conditions here but the If-Match of a PUT: leave this one out, or use a lease.",
        )),
        false => Ok(()),
    }
}

fn too_large(most: usize) -> Stop {
    let message = format!("A value may have {most} bytes (max_value), and with its key must fit into the cache.");
    refuse(Refused::ContentTooLarge, message)
}

fn batch_too_large(most: usize) -> Stop {
    let message = format!("A batch may have {most} bytes (max_batch); send several.");
    refuse(Refused::ContentTooLarge, message)
}

pub(super) async fn send_nothing(exchange: &mut impl Exchange) {
    send_whole(exchange, 204, std::iter::empty(), b"").await;
}
