//! The balancer as the engine's handler: where a request goes, what it is told when nobody answers it, what is counted and
//! logged of it.

use std::{rc::Rc, time::Instant};

use super::{
    edge_cache,
    failure::Stop,
    forward::{by_server, rare},
    local::Local,
    table::Destination,
};
use crate::{
    http::{
        exchange::{Exchange, Handler},
        reply::Problem,
    },
    metrics::Refused,
};

/// What passes the requests of one engine thread on.
pub struct Forwarder(pub(super) Rc<Local>);

impl Handler for Forwarder {
    async fn handle<X: Exchange>(&self, exchange: &mut X) {
        let local = &self.0;
        let began = Instant::now();
        let id = [local.thread.random(), local.thread.random()];
        let (ended, cache) = match answer(local, exchange, id, began).await {
            Ok(answered) => answered,
            Err(stop) => {
                if let Stop::Refuse(problem) = stop {
                    refuse(local, exchange, id, problem);
                    rare(problem.send(exchange, local.balancer.options.server.as_deref())).await;
                }
                (Instant::now(), None)
            }
        };
        local.thread.counters().latency.record(ended - began);
        if let Some(entries) = local.balancer.entries.get().filter(|entries| entries.access) {
            entries.access(exchange, &local.hop(exchange, id), ended - began, cache);
        }
    }
}

#[cold]
fn refuse(local: &Local, exchange: &impl Exchange, id: [u64; 2], problem: Problem) {
    local.thread.counters().refuse(problem.why);
    if let Some(entries) = local.balancer.entries.get().filter(|_| problem.status() >= 500) {
        entries.refused(exchange, &local.hop(exchange, id), problem.status(), problem.message);
    }
}

/// Answers a request that came at `began`; when that was done, and what the edge cache had to do with it.
async fn answer(
    local: &Rc<Local>,
    exchange: &mut impl Exchange,
    id: [u64; 2],
    began: Instant,
) -> Result<(Instant, Option<&'static str>), Stop> {
    let destination = admit(local, exchange)?;
    match local.balancer.edge() {
        // What is changed by way of any route may be stored by way of another.
        Some(edge) if destination.cached || !exchange.request().is_safe() => {
            let answered = rare(edge_cache::answer(local, edge, exchange, id, began, destination)).await;
            answered.map(|(ended, result)| (ended, Some(result)))
        }
        _ => {
            let ended = by_server(local, exchange, id, began, destination).await;
            ended.map(|ended| (ended, None))
        }
    }
}

fn admit(local: &Local, exchange: &impl Exchange) -> Result<Destination, Problem> {
    let request = exchange.request();
    if request.is_connect() {
        return Err(Problem::new(
            Refused::MethodNotAllowed,
            "CONNECT is not supported here.",
        ));
    }
    let destination = local.table().route(request.authority(), request.path());
    destination.ok_or(Problem::new(Refused::NoServers, "No app servers found"))
}
