//! One request, from its head to the end of its response, over as many servers as it takes (at most two).
//!
//! What is sent again, and where (RFC 9110, 9.2.2):
//! - a request that no connection was found for: elsewhere, whatever its method;
//! - one whose pooled connection turned out to be closed, if it is idempotent or was reset unread: on a fresh one;
//! - an idempotent one that failed before a byte of the response: elsewhere, within the retry budget, after a pause.
//!
//! Never more than once each, and never when the client has seen something or the body is gone.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use super::{
    Retry,
    compression::Compression,
    ending::Ending,
    failure::{Failure, Stop},
    local::{InFlight, Local},
    rewrite,
    seat::{InUse, Seat},
    table::Destination,
    transfer::Transfer,
    upload::Upload,
};
use crate::{
    http::{
        exchange::{BodyError, Exchange},
        head::BodyKind,
        reply::Problem,
    },
    metrics::Refused,
    net::stream::ServerStream,
};

/// A request that may not be repeated rides on a pooled connection only if that was busy so lately: a server that closes
/// idle connections earlier than this would have little use of keeping them.
const UNREPEATABLE_IDLE: Duration = Duration::from_millis(250);
/// After the end of a pooled connection, how long a reset may take to follow.
const RESET_PAUSES: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
];
/// How old a request may be that an announced end of its pooled connection is taken to have crossed.
const CROSSING: Duration = Duration::from_millis(100);
/// How long one server may take to accept a connection while there is another to go to.
const CONNECT_HEDGE: Duration = Duration::from_millis(500);

/// What few requests need: in a place of its own, or its room and its code would stand in the way of all the others.
#[cold]
#[inline(never)]
pub(super) fn rare<'a, T>(work: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(work)
}

/// Has a server answer.
pub(super) async fn by_server(
    local: &Rc<Local>,
    exchange: &mut impl Exchange,
    id: [u64; 2],
    began: Instant,
    destination: Destination,
) -> Result<Instant, Stop> {
    let most = match destination.max_body {
        0 => local.balancer.options.max_body,
        most => most,
    };
    if matches!(exchange.request().body, BodyKind::Length(length) if length > most) {
        return Err(TOO_LARGE.into());
    }
    let request = exchange.request();
    let mut head = local.thread.buffers.take();
    rewrite::write_request(&mut head, request, &local.hop(exchange, id));
    let mut attempts = Attempts {
        local,
        id,
        service: destination.service,
        compression: destination.compression,
        repeatable: request.is_idempotent(),
        upload: Upload::new(head, request.body, request.expect_continue, most),
        except: None,
        fresh: false,
        retry: None,
    };
    let result = attempts.run(exchange, began).await;
    for buffer in attempts.upload.into_buffers() {
        local.thread.buffers.give(buffer);
    }
    result
}

const TOO_LARGE: Problem = Problem {
    why: Refused::ContentTooLarge,
    message: "The request's body is larger than is accepted here.",
};

struct Attempts<'a> {
    local: &'a Rc<Local>,
    id: [u64; 2],
    service: usize,
    compression: Compression,
    repeatable: bool,
    upload: Upload,
    /// A server not to be asked again.
    except: Option<u64>,
    /// Whether a pooled connection has failed already.
    fresh: bool,
    /// Held while a retry is under way.
    retry: Option<Retry<'a>>,
}

/// A connection and where it came from.
struct Borrowed {
    stream: ServerStream,
    pooled: bool,
}

/// Why an attempt failed, and whether only because its pooled connection was no good any more.
struct Failed {
    failure: Failure,
    stale: bool,
}

impl Attempts<'_> {
    /// Makes attempts until one succeeds; when it did. The clock is read no more often than it must.
    async fn run(&mut self, exchange: &mut impl Exchange, mut began: Instant) -> Result<Instant, Stop> {
        loop {
            let free = self.local.try_acquire(self.service, self.except)?;
            let server = if let Some(server) = free {
                server
            } else {
                let server = rare(self.local.wait(exchange, self.service)).await?;
                began = Instant::now();
                server
            };
            let seat = self.local.seat(&server.state);
            seat.counters.requests.add(1);
            let _in_use = InUse::new(&seat);
            let connected = match self.pooled(&seat) {
                Some(connection) => Ok(connection),
                None => rare(self.connect(&server)).await,
            };
            let failed = match connected {
                Ok(connection) => match self.attempt(exchange, &server, &seat, connection, began).await {
                    Ok(()) => {
                        let ended = Instant::now();
                        server.state.succeeded();
                        seat.counters.latency.record(ended - began);
                        return Ok(ended);
                    }
                    Err(failed) => failed,
                },
                Err(error) => Failed {
                    failure: Failure::Unreached(error),
                    stale: false,
                },
            };
            rare(self.judge(exchange, &server, &seat, failed)).await?;
            began = Instant::now();
        }
    }

    fn pooled(&self, seat: &Seat) -> Option<Borrowed> {
        if self.fresh {
            return None;
        }
        let options = &self.local.balancer.options;
        let patience = match self.repeatable {
            true => options.idle_timeout,
            false => options.idle_timeout.min(UNREPEATABLE_IDLE),
        };
        let now = self.local.thread.clock.now();
        let stream = seat.pool.take(now.saturating_sub(patience.as_millis() as u64))?;
        Some(Borrowed { stream, pooled: true })
    }

    async fn connect(&self, server: &InFlight) -> io::Result<Borrowed> {
        self.local.thread.counters().upstream_connections.add(1);
        let connecting = ServerStream::connect(&server.address, server.tls.as_ref());
        let stream = timeout(self.connect_patience(server), connecting)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connecting took too long"))??;
        server.state.reached();
        Ok(Borrowed { stream, pooled: false })
    }

    /// A server that hangs takes no connection; while there is another, finding out must not cost a visitor a second.
    fn connect_patience(&self, server: &InFlight) -> Duration {
        let most = self.local.balancer.options.connect_timeout;
        let table = self.local.table();
        let now = self.local.thread.clock.now();
        let other = table
            .services
            .get(self.service)
            .is_some_and(|service| self.except.is_none() && service.has_other(server.state.key, now));
        if other { most.min(CONNECT_HEDGE) } else { most }
    }

    async fn attempt(
        &mut self,
        exchange: &mut impl Exchange,
        server: &InFlight,
        seat: &Seat,
        mut connection: Borrowed,
        began: Instant,
    ) -> Result<(), Failed> {
        let thread = &self.local.thread;
        let timer = thread.clock.timer();
        timer.join(server.state.key);
        let mut input = thread.buffers.take();
        let ending = Ending::new(&server.state);
        let stream = &mut connection.stream;
        let mut transfer = Transfer::new(
            stream,
            &mut input,
            &mut self.upload,
            self.local,
            &timer,
            ending,
            self.compression,
        );
        let result = poll_fn(|cx| transfer.poll(cx, exchange)).await;
        let reusable = transfer.is_reusable();
        drop(transfer);
        thread.buffers.give(input);
        match result {
            Ok(()) => {
                if reusable && server.state.is_listed() {
                    let most = self.local.balancer.options.idle_connections;
                    seat.pool.give(connection.stream, thread.clock.now(), most);
                }
                Ok(())
            }
            Err(failure) => Err(Failed {
                stale: connection.pooled && rare(self.is_stale(&failure, &connection.stream, began)).await,
                failure,
            }),
        }
    }

    /// Whether the request failed so that it may be sent again for the sake of the connection alone.
    async fn is_stale(&self, failure: &Failure, stream: &ServerStream, sent: Instant) -> bool {
        let Failure::Closed { seen: false, error } = failure else {
            return false;
        };
        // An announced end that crosses the request belongs to the connection's idleness; a server that dies of a request
        // announces nothing.
        let crossed = error.is_none() && stream.says_goodbye() && sent.elapsed() < CROSSING;
        if self.repeatable || crossed {
            return true;
        }
        // A reset may follow the end a moment later.
        for pause in RESET_PAUSES {
            if stream.refused_request(error.as_ref()) {
                return true;
            }
            sleep(pause).await;
        }
        stream.refused_request(error.as_ref())
    }

    /// Prepares another attempt, or says why there is none.
    async fn judge(
        &mut self,
        exchange: &impl Exchange,
        server: &InFlight,
        seat: &Seat,
        failed: Failed,
    ) -> Result<(), Stop> {
        let again = !exchange.started() && self.upload.can_replay();
        if failed.stale && again && !self.fresh {
            self.fresh = true;
            self.upload.rewind();
            return Ok(());
        }
        let stop = stop(&failed.failure, exchange.started());
        if !failed.failure.is_the_servers() {
            return Err(stop);
        }
        seat.counters.failures.add(1);
        let why = failed.failure.to_string();
        if let Some(entries) = self.local.balancer.entries.get() {
            let hop = self.local.hop(exchange, self.id);
            entries.attempt_failed(exchange, &hop, &server.address.to_string(), &why);
        }
        server.state.failed(why);
        let unreached = matches!(failed.failure, Failure::Unreached(_));
        let unanswered = matches!(failed.failure, Failure::Closed { seen: false, .. });
        if unreached {
            server.state.unreached(self.local.thread.clock.now());
        }
        if !again || self.except.is_some() || !(unreached || unanswered && self.repeatable) {
            return Err(stop);
        }
        if !unreached {
            self.retry = self.local.balancer.retry();
            if self.retry.is_none() {
                return Err(stop);
            }
            self.pause().await;
        }
        self.local.thread.counters().retries.add(1);
        self.except = Some(server.state.key);
        self.fresh = false;
        self.upload.rewind();
        Ok(())
    }

    /// A random time, so that the requests a server dropped at once do not come back at once.
    async fn pause(&self) {
        let options = &self.local.balancer.options;
        let least = options.retry_backoff_min.as_micros() as u64;
        let spread = (options.retry_backoff_max.as_micros() as u64)
            .min(least * 2)
            .saturating_sub(least);
        let micros = least + self.local.thread.random() % spread.max(1);
        sleep(Duration::from_micros(micros)).await;
    }
}

/// How a request ends whose attempt failed and is not repeated.
fn stop(failure: &Failure, started: bool) -> Stop {
    let problem = match failure {
        _ if started => return Stop::Broken,
        Failure::Client(BodyError::Gone) => return Stop::Broken,
        Failure::Client(BodyError::TooSlow) => {
            Problem::new(Refused::RequestTimeout, "The request's body took too long to arrive.")
        }
        Failure::Client(BodyError::Malformed(what)) => Problem::new(Refused::BadRequest, what),
        Failure::TooLarge => TOO_LARGE,
        Failure::TimedOut | Failure::Ended => {
            Problem::new(Refused::GatewayTimeout, "The app server took too long to answer.")
        }
        Failure::Unreached(_) => Problem::new(Refused::BadGateway, "The app server cannot be reached."),
        Failure::Closed { .. } => Problem::new(
            Refused::BadGateway,
            "The app server closed the connection without an answer.",
        ),
        Failure::Malformed(_) => Problem::new(Refused::BadGateway, "The app server's answer cannot be understood."),
    };
    Stop::Refuse(problem)
}
