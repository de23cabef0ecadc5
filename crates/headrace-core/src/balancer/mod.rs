//! The balancer: the handler that passes requests on to app servers.
//!
//! Reading order: `options` and `table` (what Python hands over), `server` (what is known of one), `pick` and `queue`
//! (who gets a request), `pool` (connections) and `seat` (what a thread keeps for a server), `local` (a thread's side of all this), `forward` (one request from its head to the end of its response, with
//! `rewrite`, `upload`, `compression`, `download` and `transfer` as its steps, `failure` where one comes to nothing, `entries` what is logged
//! of it), `ending` (streams of those who leave) with `order` (one after the other), `handler` (a request from the engine, to a
//! server or to the `edge_cache`), `probe` (are you there?).

mod compression;
mod download;
mod edge_cache;
mod ending;
mod entries;
mod failure;
mod forward;
mod handler;
mod local;
mod options;
mod order;
mod pick;
mod pool;
mod probe;
mod queue;
mod rewrite;
mod seat;
mod server;
mod table;
mod transfer;
mod upload;

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

pub use self::{
    edge_cache::{EdgeCache, EdgeOptions},
    entries::Entries,
    handler::Forwarder,
    options::{Options, Via},
    probe::{Probe, probe},
    server::Stats,
    table::{Policy, RouteSpec, ServerSpec, ServiceSpec, TableSpec},
};
use self::{local::Local, queue::Queue, server::State, table::Table};
use crate::{
    engine::{Event, Shared, Thread},
    listener::Source,
    net::clock,
};

/// What all engine threads share of one balancer.
#[derive(Default)]
pub struct Balancer {
    options: Options,
    table: ArcSwap<Table>,
    /// Once there was a route that has it.
    edge: OnceLock<EdgeCache>,
    known: Mutex<Known>,
    /// The engine that serves it, once one does: where events go.
    engine: OnceLock<Arc<Shared>>,
    /// Where requests are told of, if anywhere.
    entries: OnceLock<Entries>,
    /// Retries under way, held against the budget.
    retrying: AtomicUsize,
    last_key: AtomicU64,
}

/// What outlives a table: servers that are in it or still at work, and who waits for them.
#[derive(Default)]
struct Known {
    servers: HashMap<String, Arc<State>>,
    services: HashMap<String, Line>,
}

/// A service by its name, whatever table it is in. Requests that wait over a change of tables know it by its number.
#[derive(Clone, Default)]
struct Line {
    number: usize,
    queue: Arc<Queue>,
}

/// The source of an engine's handlers: `Arc<Balancer>` itself, in a type of its own because a source is shared.
pub struct Served(pub Arc<Balancer>);

impl Balancer {
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// From now on, and once, requests are logged.
    pub fn log_to(&self, entries: Entries) {
        let _ = self.entries.set(entries);
    }

    /// The cache, once there was a route that has it.
    pub fn edge(&self) -> Option<&EdgeCache> {
        self.edge.get()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New requests follow `spec` from now on. Servers it does not name any more are told as drained when they are.
    pub fn publish(&self, spec: &TableSpec) {
        if spec.routes.iter().any(|route| route.cached) {
            self.edge
                .get_or_init(|| EdgeCache::new(self.options.edge_cache.clone()));
        }
        let mut known = self.known();
        let known = &mut *known;
        let servers = spec.services.iter().flat_map(|service| &service.servers);
        let mut listed = HashMap::new();
        for server in servers {
            let state = known.servers.entry(server.id.clone()).or_insert_with(|| {
                let key = self.last_key.fetch_add(1, Ordering::Relaxed) + 1;
                Arc::new(State::new(&server.id, key))
            });
            state.list(&server.address);
            listed.insert(server.id.clone(), Arc::clone(state));
        }
        for service in &spec.services {
            let number = known.services.len();
            let line = known.services.entry(service.name.clone());
            line.or_insert_with(|| Line {
                number,
                ..Line::default()
            });
        }
        let table = Table::bind(spec, |id| Arc::clone(&listed[id]), &known.services);
        self.table.store(Arc::new(table));
        let left: Vec<_> = known
            .servers
            .values()
            .filter(|state| !listed.contains_key(&state.id))
            .cloned()
            .collect();
        for state in left {
            state.unlist();
            self.tell_drained(&mut known.servers, &state);
        }
        known.services.values().for_each(|line| line.queue.wake_foremost());
    }

    /// Servers of the table, and those that left it with something in flight.
    pub fn stats(&self) -> Vec<Stats> {
        self.known().servers.values().map(|state| state.stats()).collect()
    }

    /// Ends the streams of a server that left the table, spread over the time that it stays.
    pub fn end_streams(&self, id: &str, over: Duration) {
        let known = self.known();
        if let Some(state) = known.servers.get(id).filter(|state| !state.is_listed()) {
            state.leave_by(clock::elapsed() + over.as_millis() as u64);
        }
    }

    /// Ends what is in flight with a server that left the table; how much that was.
    pub fn cut(&self, id: &str) -> usize {
        match self.known().servers.get(id) {
            Some(state) if !state.is_listed() => {
                state.cut();
                state.in_flight.load(Ordering::SeqCst)
            }
            _ => 0,
        }
    }

    /// A request has left `state`.
    fn left(&self, state: &State) {
        if !state.is_listed() {
            self.tell_drained(&mut self.known().servers, state);
        }
        for service in &self.table.load().services {
            service.queue.wake_foremost();
        }
    }

    fn tell_drained(&self, servers: &mut HashMap<String, Arc<State>>, state: &State) {
        if !state.newly_drained() {
            return;
        }
        servers.remove(&state.id);
        if let Some(engine) = self.engine.get() {
            engine.events.push(Event::Drained {
                server: state.id.clone(),
            });
        }
    }

    fn in_flight(&self) -> usize {
        let table = self.table.load();
        let targets = table.services.iter().flat_map(|service| &service.targets);
        targets
            .map(|target| target.state.in_flight.load(Ordering::Relaxed))
            .sum()
    }

    /// Whether the budget has room for one more retry; `None` where it has not.
    fn retry(&self) -> Option<Retry<'_>> {
        let share = (self.in_flight() as f64 * self.options.retry_budget) as usize;
        let most = share.max(self.options.retry_budget_min);
        let retry = Retry(&self.retrying);
        (self.retrying.fetch_add(1, Ordering::Relaxed) < most).then_some(retry)
    }
}

/// One retry under way.
struct Retry<'a>(&'a AtomicUsize);

impl Drop for Retry<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Source for Served {
    type Handler = Forwarder;

    fn handler(&self, thread: &Rc<Thread>) -> Rc<Forwarder> {
        let _ = self.0.engine.set(Arc::clone(thread.shared()));
        Rc::new(Forwarder(Local::new(Arc::clone(&self.0), Rc::clone(thread))))
    }
}
