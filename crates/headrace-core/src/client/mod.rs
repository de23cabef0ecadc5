//! A small HTTP/1.1 client for one host: blocking, one connection, kept alive. For threads of their own, never for an
//! event loop.
//!
//! A request is one write where it fits, a response is read whole and bounded in bytes and time. A connection that was
//! kept and turns out to be closed is replaced once, before a byte of a response was seen; so only what may be repeated
//! is sent through it (RFC 9110, 9.2.2): what is safe by its method, or carries an `Idempotency-Key`.
//!
//! Given up: pipelining, redirects, cookies, proxies. Whoever asks knows where.

mod connection;
mod origin;
mod response;
#[cfg(test)]
pub(crate) mod scripted;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use self::{origin::Origin, response::Response};

use self::connection::{Connection, Socket};

/// How long each step may take, and how much an answer may bring.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub connect: Duration,
    /// A write that moves nothing.
    pub write: Duration,
    /// From the request's last byte to the response's.
    pub read: Duration,
    /// Bytes of a response's body.
    pub body: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            write: Duration::from_secs(10),
            read: Duration::from_secs(30),
            body: 1 << 20,
        }
    }
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection: nothing was sent.
    Connect(String),
    /// It ended, or took too long, before a whole response.
    Broken(String),
    /// What came is no HTTP response, or larger than is borne.
    Malformed(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Broken(why) => write!(f, "the connection failed: {why}"),
            Self::Malformed(why) => write!(f, "the response is malformed: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

/// A request that may be repeated. Names and values of fields are the caller's to check.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub fields: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// Ends, from another thread, whatever the client waits for on its connection.
#[derive(Debug, Clone, Default)]
pub struct Cutter(Arc<Mutex<Option<Socket>>>);

impl Cutter {
    pub fn cut(&self) {
        if let Some(socket) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            socket.cut();
        }
    }

    fn holds(&self, socket: Option<Socket>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = socket;
    }
}

/// One host and, at most, one connection to it.
///
/// ```no_run
/// # use headrace_core::client::{Client, Origin, Patience, Request};
/// let mut client = Client::new(Origin::parse("http://127.0.0.1:6000", None)?, Patience::default());
/// let request = Request { method: "GET", target: "/status", fields: &[], body: b"" };
/// assert_eq!(client.send(&request)?.status, 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    origin: Origin,
    patience: Patience,
    connection: Option<Connection>,
    cutter: Cutter,
}

impl Client {
    pub fn new(origin: Origin, patience: Patience) -> Self {
        Self {
            origin,
            patience,
            connection: None,
            cutter: Cutter::default(),
        }
    }

    pub fn cutter(&self) -> Cutter {
        self.cutter.clone()
    }

    /// The response to `request`, whatever its status.
    pub fn send(&mut self, request: &Request<'_>) -> Result<Response, Failure> {
        let head = self.origin.head(request);
        if let Some(kept) = self.connection.take() {
            match self.exchange(kept, request, &head) {
                Err((Failure::Broken(_), false)) => {}
                done => return done.map_err(|(failure, _)| failure),
            }
        }
        let fresh = Connection::open(&self.origin, &self.patience)?;
        self.cutter.holds(fresh.socket());
        self.exchange(fresh, request, &head).map_err(|(failure, _)| failure)
    }

    /// Closes the connection; the next request opens another one.
    pub fn close(&mut self) {
        self.cutter.holds(None);
        self.connection = None;
    }

    /// A failure comes with whether a byte of the response had been seen.
    fn exchange(
        &mut self,
        mut connection: Connection,
        request: &Request<'_>,
        head: &[u8],
    ) -> Result<Response, (Failure, bool)> {
        let sent = connection.write(head, request.body);
        let answer = response::read(&mut connection, request.method == "HEAD", &self.patience);
        let (response, keep) = match (answer, sent) {
            // A server may refuse by the head and close, so an answer counts even if not all could be sent.
            (Ok((response, keep)), sent) => (response, keep && sent.is_ok()),
            (Err((_, false)), Err(failure)) => return Err((failure, false)),
            (Err(failed), _) => return Err(failed),
        };
        match keep {
            true => self.connection = Some(connection),
            false => self.cutter.holds(None),
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests;
