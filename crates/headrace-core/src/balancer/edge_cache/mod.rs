//! The edge cache: responses that the balancer gives without asking a server, by RFC 9111.
//!
//! What may be done is decided by `crate::edge`, which is pure; here it is done. A request for a route that has the cache goes
//! through [`answer`] in place of the way to a server; on that way, where it is needed, the client's exchange is wrapped in a
//! `recorder`, which sees the response pass and keeps what may be kept. So the rest of the balancer knows nothing of caching, and
//! a route without it pays one look at a flag.
//!
//! Reading order: `kept` (a stored head as bytes), `filing` (from a response to that), `place` (where it lies, and how it gets
//! there), `freshen` (stored anew), `recorder`, `serve` (an answer from the store), `answer` (what becomes of a request), `nobody` (a renewal's client).
//!
//! Rules that hold
//! - what was asked for before an invalidation is not stored after it: storing needs the lease that was taken when the server
//!   was asked, or the very entry that a client had renewed;
//! - one request at a time asks a server for the same response; the others wait for a bounded time, and once;
//! - bodies stream to the client as they come, whether they are kept or not. What is being kept is bounded, each and in sum;
//! - only whole responses are stored.
//!
//! Given up: responses that stream to those who wait while they come. It would save them the time of long bodies, and cost each body
//! a list of readers.

mod answer;
mod filing;
mod freshen;
mod kept;
mod nobody;
mod place;
mod recorder;
mod serve;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

pub(super) use self::answer::answer;
use crate::cache::{Options as StoreOptions, Store};

/// How the cache is used; whether it is, each route says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeOptions {
    /// Memory of all that is stored (nginx's `max_size` has no default; Varnish's is 256 MB).
    pub max_bytes: u64,
    /// The largest body that is stored.
    pub max_object: u64,
    /// How long a request waits for another one's response (nginx's `proxy_cache_lock_timeout`).
    pub wait: Duration,
    /// For how many seconds a stale response covers for a failing server where the response does not say.
    pub stale_if_error: u32,
}

impl Default for EdgeOptions {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            max_object: 8 << 20,
            wait: Duration::from_secs(5),
            stale_if_error: 0,
        }
    }
}

/// What all threads share of it.
pub struct EdgeCache {
    pub store: Arc<Store>,
    options: EdgeOptions,
    /// Bytes of bodies that are on their way into the store.
    recorded: AtomicU64,
}

impl EdgeCache {
    pub fn new(options: EdgeOptions) -> Self {
        let store = Store::new(StoreOptions {
            max_bytes: options.max_bytes,
            max_value: options.max_object.min(options.max_bytes),
            ..StoreOptions::default()
        });
        Self {
            store,
            options,
            recorded: AtomicU64::new(0),
        }
    }

    /// Removes the response to `uri` with all its variants, or makes them stale; how many that were.
    pub fn purge(&self, uri: &[u8], soft: bool) -> u64 {
        let family = self.store.invalidate_tag(&crate::edge::key::family(uri), soft);
        // What tells of the variants goes only with them.
        let alone = self
            .store
            .get(uri)
            .is_some_and(|hit| matches!(kept::read(&hit.meta), kept::Kept::Response(_)));
        let removed = (alone || !soft) && self.store.remove(uri, soft);
        family + u64::from(removed && alone)
    }
}
