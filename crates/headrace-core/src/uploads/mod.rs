//! An object for each payload, in a store that speaks S3: signed, sent and answered without anybody's lock but the one
//! under which the next payload is taken.
//!
//! A thread for each request under way, over a connection that is kept. Such a payload is small and waits for the store
//! most of the time; a thread that blocks in one write and one read costs less than half of a task on an event loop.
//!
//! Mechanism alone: a payload that the store doesn't take ends the call, once those under way are answered, and whoever
//! asked decides. The next call goes on behind what was tried. What was sent twice, because an answer was lost, was the
//! same object under the same key.
//!
//! Given up: credentials that change, and every dialect of S3 that is more than a path, a date and a signature.

mod lanes;
mod objects;
mod signature;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

pub use self::objects::{Naming, Objects, Run};

use self::{
    lanes::{Lane, Lanes},
    signature::{Signed, Signer, hashed, stamp},
};
use crate::{
    client::{Failure, Origin, Patience, Request, Response},
    error::Error,
    logs::calendar,
};

const MEDIA_TYPE: &str = "application/octet-stream";

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
    /// Most uploads on their way at once, of all batches together.
    pub most: usize,
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

/// A bucket.
pub struct Store {
    origin: Origin,
    lanes: Lanes,
}

/// One call's work, seen by all its threads.
struct Shift<'a, B> {
    objects: &'a Objects<B>,
    create: bool,
    over: AtomicBool,
    refused: Mutex<Vec<Refused>>,
}

impl Store {
    pub fn new(options: Options) -> Result<Self, Error> {
        let origin = Origin::parse(&options.url, options.ca.as_deref())?;
        let signer = Signer::new(options.access_key, options.secret_key, options.region);
        let lanes = Lanes::new(origin.clone(), options.patience, signer, options.most);
        Ok(Self { origin, lanes })
    }

    /// Uploads what is left of `objects`, `at_once` at a time where so many connections are free, until nothing is left
    /// or a payload is not taken: then those are returned, and all others that had begun are in the store.
    ///
    /// `create`: an object that is there already is not replaced, but refused with 412.
    pub fn upload<B: AsRef<[u8]> + Sync>(&self, objects: &Objects<B>, at_once: usize, create: bool) -> Vec<Refused> {
        let shift = Shift {
            objects,
            create,
            over: AtomicBool::new(false),
            refused: Mutex::default(),
        };
        thread::scope(|scope| {
            for _ in 1..at_once {
                let more = || {
                    if let Some(lane) = self.lanes.try_take() {
                        self.work(lane, &shift);
                    }
                };
                let thread = thread::Builder::new().name("headrace-upload".to_owned());
                // Where the process may have no more threads, those that there are do the work.
                if thread.spawn_scoped(scope, more).is_err() {
                    break;
                }
            }
            self.work(self.lanes.take(), &shift);
        });
        shift.refused.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn work<B: AsRef<[u8]>>(&self, mut lane: Lane, shift: &Shift<'_, B>) {
        while !shift.over.load(Relaxed)
            && let Some((number, payload)) = shift.objects.next()
        {
            let answer = self.put(&mut lane, &shift.objects.naming.path(number), payload, shift.create);
            if !matches!(&answer, Ok(response) if (200..300).contains(&response.status)) {
                shift.over.store(true, Relaxed);
                let refused = refused(number, payload, answer);
                shift
                    .refused
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(refused);
            }
        }
        self.lanes.give(lane);
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
        fields.push(("authorization", &authorization));
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
