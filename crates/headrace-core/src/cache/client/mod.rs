//! A client of one cache server, by HTTP/1.1: for threads that wait ([`CacheClient::call`]) and for event loops that
//! don't ([`Flow`]).
//!
//! A call ends within its time-out, everything included: looking up the name, connecting, TLS, trickling bytes. A server
//! that fails is left alone for a while ([`circuit`]), so that callers lose their time to it once and not each time.
//!
//! No thread stands between a caller and the socket. A blocking call writes and reads on its own thread; an event loop
//! writes at once and watches one descriptor for all of its connections.

mod answer;
pub mod batch;
mod blocking;
mod call;
mod circuit;
mod flow;
mod place;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub use self::{
    answer::Answer,
    call::{By, Call, Life},
    flow::{Completed, Flow},
};

use self::{blocking::Pool, circuit::Circuit, place::Place};
use crate::{client::Origin, error::Error, http::fields::is_value};

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No server, too slow, or no HTTP: it may be better later.
    Away(String),
    /// Nobody was asked, because the server failed a moment ago.
    Open,
    /// The server does not take the token.
    Denied(String),
    /// The server does not take this call.
    Refused(String),
}

impl Failure {
    fn late() -> Self {
        Self::Away("it took too long".to_owned())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::late(),
            _ => Self::Away(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => write!(f, "the cache does not answer: {why}"),
            Self::Open => f.write_str("the cache failed a moment ago and is not asked"),
            Self::Denied(why) => write!(f, "the cache does not let this program in: {why}"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

/// What is known of a server, shared by threads and event loops.
struct Server {
    origin: Origin,
    place: Place,
    /// What follows the target in each request: the version, `Host`, the token.
    common: String,
    timeout: Duration,
    pool: Pool,
    circuit: Mutex<Circuit>,
}

/// One cache server.
///
/// ```no_run
/// # use headrace_core::cache::client::{CacheClient, Call};
/// # use std::time::Duration;
/// let client = CacheClient::new("http://127.0.0.1:5000", "token", None, Duration::from_millis(250))?;
/// assert_eq!(client.call(&Call::Get { key: "post:3", with_tags: false })?.status, 404);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CacheClient(Arc<Server>);

impl CacheClient {
    /// `ca` is the PEM file by which an `https` server is verified; `token` may be empty.
    pub fn new(url: &str, token: &str, ca: Option<&str>, timeout: Duration) -> Result<Self, Error> {
        let origin = Origin::parse(url, ca)?;
        let mut common = format!(" HTTP/1.1\r\nhost: {}\r\n", origin.authority);
        if !is_value(token.as_bytes()) {
            return Err(Error::Address(format!("the token for {url} has a control character")));
        }
        if !token.is_empty() {
            common.extend(["authorization: Bearer ", token, "\r\n"]);
        }
        Ok(Self(Arc::new(Server {
            place: Place::new(origin.address.clone()),
            origin,
            common,
            timeout,
            pool: Pool::default(),
            circuit: Mutex::default(),
        })))
    }

    /// The answer with a status below 400, or 404, 409 and 412, which are answers too. Waits on this thread.
    pub fn call(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let started = Instant::now();
        self.0.admits(started)?;
        let deadline = started + self.0.timeout + call.wait();
        let answer = blocking::exchange(&self.0, call, started, deadline);
        self.0.judged(answer)
    }

    /// Whether a connection can be begun without looking up the server's name first.
    pub fn is_located(&self) -> bool {
        self.0.place.count().is_some()
    }

    /// Looks up the server's name.
    pub fn locate(&self) -> Result<(), Failure> {
        self.0.place.find(Instant::now() + self.0.timeout).map(drop)
    }
}

impl Server {
    fn write_head(&self, call: &Call<'_>, out: &mut String) -> Result<(), Failure> {
        call.write_head(&self.origin.base, &self.common, out)
    }

    fn circuit(&self) -> std::sync::MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admits(&self, now: Instant) -> Result<(), Failure> {
        self.circuit().admits(now).then_some(()).ok_or(Failure::Open)
    }

    /// The answer as what it means to the caller, and to the circuit.
    fn judged(&self, answer: Result<Answer, Failure>) -> Result<Answer, Failure> {
        let meant = answer.and_then(meaning);
        match &meant {
            Err(Failure::Away(_) | Failure::Denied(_)) => self.circuit().failed(Instant::now()),
            Err(Failure::Open) => {}
            Ok(_) | Err(Failure::Refused(_)) => self.circuit().succeeded(),
        }
        meant
    }
}

/// | status | is |
/// |---|---|
/// | 2xx, 404, 409, 412 | an answer |
/// | 401, 403 | denied |
/// | 408, 429, 5xx, 3xx | an absence |
/// | other 4xx | a refusal of this call |
fn meaning(answer: Answer) -> Result<Answer, Failure> {
    match answer.status {
        200..300 | 404 | 409 | 412 => Ok(answer),
        401 | 403 => Err(Failure::Denied(words(&answer))),
        400 | 402 | 405..=407 | 410..=411 | 413..=428 | 430..500 => Err(Failure::Refused(words(&answer))),
        _ => Err(Failure::Away(words(&answer))),
    }
}

/// What the server said, in its own words.
fn words(answer: &Answer) -> String {
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match said["message"].as_str() {
        Some(message) => format!("{}, {message}", answer.status),
        None => answer.status.to_string(),
    }
}
