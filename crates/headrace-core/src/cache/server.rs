//! One request to the cache.
//!
//! | call | answer |
//! |---|---|
//! | `GET`, `HEAD /?key=K` | 200 with the value, 304 where the client has it, 404; `with_tags=1` tells its tags |
//! | `GET /?key=K&lease=SECONDS&wait=SECONDS` | the value, or for one caller at a time the right to compute it (`Lease`) |
//! | `PUT`, `POST /?key=K` | 204; 409 where the lease was lost, 412 where `If-Match` no longer does |
//! | `DELETE /?key=K` | 204, 404 |
//! | `POST`, `GET /invalidate?key=K`, `tag=T` or `prefix=P` | 200 with how many |
//! | `DELETE /lease?key=K&id=ID` | 204 |
//! | `POST /batch` | many of these (`batch`) |
//! | `GET /events` | what changes (`events`) |
//! | `GET /stats` | 200 with counts |
//!
//! A value that is there costs a lookup and a write. Whatever may take its time is boxed, so that connections that only
//! get do not carry room for it.

use std::{
    io,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    time::Instant,
};

use super::{
    Hit, Stats, Store,
    parameters::{self, Bad},
    reply::{Beside, send_absent, send_hit, tags_field},
};
use crate::{
    engine::Thread,
    http::{
        exchange::{Exchange, Handler},
        fields::Field,
        reply::send_whole,
    },
    listener::Source,
    metrics::Refused,
    service::{self, Aside, JSON, Room, Stop, refuse, refuse_with},
};

/// Seconds after which a refused client may well try again.
const RETRY_AFTER: u32 = 1;

/// What a cache server takes.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The tokens a request may carry; none: it needs none, and calls of web pages are refused.
    pub tokens: Vec<String>,
    /// Bytes of a value; the store may take less.
    pub max_value: usize,
    /// Bytes of a batch.
    pub max_batch: usize,
    /// Bytes of all bodies that are being read at once.
    pub max_reading: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            max_value: 8 << 20,
            max_batch: 32 << 20,
            max_reading: 256 << 20,
        }
    }
}

/// What all engine threads share of one cache server.
pub struct CacheServer {
    pub(super) store: Arc<Store>,
    pub(super) options: ServerOptions,
    pub(super) room: Room,
    /// For what goes through all that is kept.
    pub(super) aside: Aside,
    pub(super) waiting: AtomicUsize,
    pub(super) following: AtomicUsize,
}

impl CacheServer {
    pub fn new(store: Arc<Store>, options: ServerOptions) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            store,
            room: Room::new(options.max_reading),
            options,
            aside: Aside::start("cache-scan", 1)?,
            waiting: AtomicUsize::new(0),
            following: AtomicUsize::new(0),
        }))
    }
}

/// The source of an engine's handlers.
pub struct Served(pub Arc<CacheServer>);

impl Source for Served {
    type Handler = Server;

    fn handler(&self, thread: &Rc<Thread>) -> Rc<Server> {
        Rc::new(Server {
            shared: Arc::clone(&self.0),
            thread: Rc::clone(thread),
        })
    }
}

/// An engine thread's side of the service.
pub struct Server {
    pub(super) shared: Arc<CacheServer>,
    pub(super) thread: Rc<Thread>,
}

impl Handler for Server {
    async fn handle<X: Exchange>(&self, exchange: &mut X) {
        let began = Instant::now();
        if let Err(Stop::Refuse(refusal)) = self.answer(exchange).await {
            self.thread.counters().refuse(refusal.why);
            refusal.send(exchange, RETRY_AFTER).await;
        }
        self.thread.counters().latency.record(began.elapsed());
    }
}

impl Server {
    async fn answer(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        let request = exchange.request();
        service::check(request, &self.shared.options.tokens)?;
        match parameters::plain_key(request.target()) {
            Some(key) if request.method() == b"GET" => {
                let hit = self.shared.store.get(key);
                self.send_found(exchange, hit, None).await;
                Ok(())
            }
            _ => Box::pin(self.call(exchange)).await,
        }
    }

    async fn call(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        let request = exchange.request();
        match (request.path(), request.method()) {
            (b"/", b"GET" | b"HEAD") => self.get(exchange).await,
            (b"/", b"PUT" | b"POST") => self.set(exchange).await,
            (b"/", b"DELETE") => self.delete(exchange).await,
            (b"/", _) => Err(not_allowed(b"GET, HEAD, PUT, POST, DELETE")),
            (b"/invalidate", b"GET" | b"POST") => self.invalidate(exchange).await,
            (b"/invalidate", _) => Err(not_allowed(b"GET, POST")),
            (b"/lease", b"DELETE") => self.give_up(exchange).await,
            (b"/lease", _) => Err(not_allowed(b"DELETE")),
            (b"/batch", b"POST") => self.batch(exchange).await,
            (b"/batch", _) => Err(not_allowed(b"POST")),
            (b"/events", _) => self.events(exchange).await,
            (b"/stats", b"GET" | b"HEAD") => {
                self.stats(exchange).await;
                Ok(())
            }
            (b"/stats", _) => Err(not_allowed(b"GET, HEAD")),
            _ => {
                let why = "There is /?key=NAME, and there are /invalidate, /lease, /batch, /events and /stats.";
                Err(refuse(Refused::NotFound, why))
            }
        }
    }

    async fn get(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        let wanted = parameters::wanted(exchange.request().target()).map_err(misunderstood)?;
        match wanted.lease {
            None => {
                let hit = self.shared.store.get(&wanted.key);
                let tags = hit.as_ref().filter(|_| wanted.with_tags);
                let tags = tags.and_then(|hit| self.tags(&wanted.key, hit));
                self.send_found(exchange, hit, tags).await;
                Ok(())
            }
            Some(_) if exchange.request().is_head() => {
                let why = "lease goes with GET: whoever computes the value has seen that there is none";
                Err(refuse(Refused::BadRequest, why))
            }
            Some(lease) => {
                let key = wanted.key.into_owned();
                self.lease(exchange, &key, lease, wanted.wait, wanted.with_tags).await
            }
        }
    }

    async fn stats(&self, exchange: &mut impl Exchange) {
        let counts = counts(&self.shared.store.stats());
        let fields = [
            Field::new(b"Content-Type", JSON),
            Field::new(b"Cache-Control", b"no-store"),
        ];
        send_whole(exchange, 200, fields.into_iter(), format!("{counts}\n").as_bytes()).await;
    }

    /// The tags of what was found, as they are told. `None`: it has changed since, or they are too long.
    pub(super) fn tags(&self, key: &[u8], hit: &Hit) -> Option<Vec<u8>> {
        tags_field(&self.shared.store.tags(key, hit.version)?)
    }

    /// Answers with what was found, where it is fresh or stale is good enough.
    async fn send_found(&self, exchange: &mut impl Exchange, hit: Option<Hit>, tags: Option<Vec<u8>>) {
        let mut controls = exchange.request().fields().get_all(b"cache-control");
        match hit {
            Some(hit) if !hit.fresh_for.is_zero() || controls.any(parameters::takes_stale) => {
                drop(controls);
                send_hit(exchange, hit, Beside { lease: None, tags }).await;
            }
            _ => {
                drop(controls);
                send_absent(exchange, None).await;
            }
        }
    }
}

fn counts(stats: &Stats) -> serde_json::Value {
    serde_json::json!({
        "entries": stats.entries,
        "bytes": stats.bytes,
        "max_bytes": stats.max_bytes,
        "hits": stats.hits,
        "misses": stats.misses,
        "stale_hits": stats.stale_hits,
        "sets": stats.sets,
        "evictions": stats.evictions,
        "expirations": stats.expirations,
        "invalidations": stats.invalidations,
        "leases": stats.leases,
        "refused": stats.refused,
    })
}

pub(super) fn misunderstood((why, message): Bad) -> Stop {
    refuse(why, message)
}

pub(super) fn not_allowed(methods: &'static [u8]) -> Stop {
    refuse_with(
        Refused::MethodNotAllowed,
        "This call has other methods; see Allow.",
        b"Allow",
        methods,
    )
}
