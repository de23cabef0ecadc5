//! An object for each payload, in a store that speaks S3: signed, sent and answered without anybody's lock but the one
//! under which the next payload is taken.
//!
//! A thread of the caller's for each upload under way, over a connection that is kept. Such a payload is small and waits
//! for the store most of the time; a thread that blocks in one write and one read costs less than half of a task on an
//! event loop. The threads are the caller's because they should outlive a batch: a new one costs the memory that it
//! touches first, which is more than a hundred uploads cost.
//!
//! Mechanism alone: a payload that the store doesn't take comes back, and whoever asked decides. The next call goes on
//! behind it. What was sent twice, because an answer was lost, was the same object under the same key.
//!
//! Given up: credentials that change, and every dialect of S3 that is more than a path, a date and a signature.

mod objects;
mod signature;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use self::objects::{Naming, Objects, Run};

use self::signature::{Signed, Signer, hashed, stamp};
use crate::{
    calendar,
    client::{Client, Failure, Origin, Patience, Request, Response},
    error::Error,
};

const MEDIA_TYPE: &str = "application/octet-stream";
const USER_AGENT: &str = concat!("headrace/", env!("CARGO_PKG_VERSION"));

/// The store, and who we are to it.
#[derive(Clone)]
pub struct Options {
    /// Scheme, host and port, and the bucket as the path.
    pub url: String,
    /// The PEM file by which an `https` host is verified.
    pub ca: Option<String>,
    pub region: String,
    pub access_key: String,
    pub secret_key: String,
    pub patience: Patience,
}

/// A payload that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub number: u64,
    pub payload: Vec<u8>,
    /// None where there was no answer.
    pub status: Option<u16>,
    /// What the store said, or why there is no answer.
    pub text: String,
    /// The pause that it asked for.
    pub retry_after: Option<Duration>,
}

/// A bucket, and the connections to it: as many as threads have used at once.
pub struct Store {
    origin: Origin,
    patience: Patience,
    signer: Signer,
    idle: Mutex<Vec<Lane>>,
}

/// What a thread needs to upload.
struct Lane {
    client: Client,
    signer: Signer,
}

impl Store {
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self {
            origin: Origin::parse(&options.url, options.ca.as_deref())?,
            patience: options.patience,
            signer: Signer::new(options.access_key, options.secret_key, options.region),
            idle: Mutex::default(),
        })
    }

    /// Uploads what is left of `objects`, one after the other, until nothing is or one is not taken; several threads may
    /// do so at once.
    ///
    /// `create`: an object that is there already is not replaced, but refused with 412.
    pub fn upload<B: AsRef<[u8]>>(&self, objects: &Objects<B>, create: bool) -> Option<Refused> {
        let mut lane = self.lane();
        let refused = std::iter::from_fn(|| objects.next()).find_map(|(number, payload)| {
            let answer = self.put(&mut lane, &objects.path(number), payload, create);
            let taken = matches!(&answer, Ok(response) if (200..300).contains(&response.status));
            (!taken).then(|| refused(number, payload, answer))
        });
        self.idle().push(lane);
        refused
    }

    /// The one that was used last, whose connection is the most likely to be open.
    fn lane(&self) -> Lane {
        let idle = self.idle().pop();
        idle.unwrap_or_else(|| Lane {
            client: Client::new(self.origin.clone(), self.patience),
            signer: self.signer.clone(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, lane: &mut Lane, target: &str, payload: &[u8], create: bool) -> Result<Response, Failure> {
        let (body, time) = (hashed(payload), stamp(calendar::now()));
        let path = format!("{}{target}", self.origin.base());
        let mut fields = vec![("content-type", MEDIA_TYPE), ("host", self.origin.authority())];
        if create {
            fields.push(("if-none-match", "*"));
        }
        fields.extend([("x-amz-content-sha256", &*body), ("x-amz-date", &*time)]);
        let authorization = lane.signer.authorization(&Signed {
            method: "PUT",
            path: &path,
            query: "",
            fields: &fields,
            body: &body,
            time: &time,
        });
        // The client says itself which host it means.
        fields.retain(|(name, _)| *name != "host");
        fields.extend([("authorization", &*authorization), ("user-agent", USER_AGENT)]);
        lane.client.send(&Request {
            method: "PUT",
            target,
            fields: &fields,
            body: payload,
        })
    }
}

fn refused(number: u64, payload: &[u8], answer: Result<Response, Failure>) -> Refused {
    let (status, text, retry_after) = match answer {
        Ok(response) => {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            (Some(response.status), text, response.retry_after())
        }
        Err(failure) => (None, failure.to_string(), None),
    };
    Refused {
        number,
        payload: payload.to_vec(),
        status,
        text,
        retry_after,
    }
}

#[cfg(test)]
mod tests;
