//! What becomes of a request for a route that has the cache.

use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use tokio::time::timeout;

use super::{
    EdgeCache,
    freshen::{Update, freshen},
    nobody::Nobody,
    place::{Flight, Permit, Place},
    recorder::{Errand, Outcome, Recorder},
    serve::serve,
};
use crate::{
    balancer::{
        failure::Stop,
        forward::{by_server, rare},
        local::Local,
        table::Destination,
    },
    cache::Leased,
    edge::{
        key,
        reuse::{self, Reuse, reuse},
        status::{CacheStatus, Forwarded},
        storable::Asked,
        validation,
    },
    http::{
        exchange::Exchange,
        fields::{Field, Known},
        head::{BodyKind, Request},
        reply::Problem,
    },
    metrics::Refused,
};

/// How long one request may have others wait for its response; each of them waits for less.
const LEASE: std::time::Duration = std::time::Duration::from_secs(300);
/// What is at a place can change while a request looks at it; so often it looks again.
const LOOKS: usize = 4;

const NOT_CACHED: Problem = Problem::new(
    Refused::GatewayTimeout,
    "Only a stored response was asked for, and none is fresh enough.",
);

/// A request on its way: what it asks for, and who asks.
struct Visit<'a> {
    local: &'a Rc<Local>,
    edge: &'a EdgeCache,
    destination: Destination,
    id: [u64; 2],
    asked: Asked,
    began: Instant,
    name: &'a str,
}

/// What came of asking a server.
enum Fetched {
    Done(Instant),
    /// Nothing has reached the client, and what is stored is its answer.
    Stored {
        fresh: Option<Update>,
        server_said: Option<u16>,
    },
    /// What is stored is not what the server has: it must be asked without conditions.
    Another,
}

/// When an answer was done, and what it was: `hit`, `stale`, `revalidated` or `miss`.
type Ended = (Instant, &'static str);

/// Answers a request from the store, from a server, or from both.
pub(in super::super) async fn answer(
    local: &Rc<Local>,
    edge: &EdgeCache,
    exchange: &mut impl Exchange,
    id: [u64; 2],
    began: Instant,
    destination: Destination,
) -> Result<Ended, Stop> {
    let visit = Visit {
        local,
        edge,
        destination,
        id,
        asked: Asked::of(exchange.request()),
        began,
        name: local
            .balancer
            .options
            .via
            .as_ref()
            .map_or("headrace", |via| &via.pseudonym),
    };
    let primary = visit.key(exchange);
    match way(exchange.request()) {
        Way::Store => visit.by_store(exchange, primary).await,
        Way::Around(why) => {
            let place = Place::around(primary);
            rare(visit.pass_through(exchange, &place, why, None)).await
        }
    }
}

/// Whether a request has anything to do with what is stored.
enum Way {
    Store,
    Around(Forwarded),
}

fn way(request: &Request) -> Way {
    let bodyless = matches!(request.body, BodyKind::None | BodyKind::Length(0));
    if !matches!(request.method(), b"GET" | b"HEAD") {
        return Way::Around(Forwarded::Method);
    }
    // Whether such a condition holds, only the server knows (RFC 9110, 13.1.1 and 13.1.4).
    let servers = |field: Field<'_>| {
        field.name.eq_ignore_ascii_case(b"if-match") || field.name.eq_ignore_ascii_case(b"if-unmodified-since")
    };
    let conditional = request.fields().known(Known::Condition).is_some()
        && request
            .fields()
            .iter()
            .any(|field| field.known == Known::Condition && servers(field));
    match bodyless && !request.upgrade && !conditional {
        true => Way::Store,
        false => Way::Around(Forwarded::Bypass),
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

impl Visit<'_> {
    /// The target's URI as the app sees it: what a trusted hop says of scheme and host counts for it, and so it does here.
    fn key(&self, exchange: &impl Exchange) -> Vec<u8> {
        let (request, peer) = (exchange.request(), exchange.peer());
        let options = &self.local.balancer.options;
        let trusted = !options.trusted.is_empty() && options.trusts(peer.ip);
        let said = |known| trusted.then(|| request.fields().known(known)).flatten();
        let secure = said(Known::XForwardedProto).map_or(peer.secure, |scheme| scheme.eq_ignore_ascii_case(b"https"));
        let host = said(Known::XForwardedHost).unwrap_or(request.authority());
        key::primary(secure, host, request.target())
    }

    async fn by_store(&self, exchange: &mut impl Exchange, mut primary: Vec<u8>) -> Result<Ended, Stop> {
        let mut waited = None;
        for _ in 0..LOOKS {
            let place = Place::find(&self.edge.store, primary, exchange.request());
            let candidate = place.head().map(|(head, hit)| head.candidate(hit));
            match reuse(&self.asked.directives, candidate.as_ref()) {
                Reuse::Serve => return Ok(self.serve(exchange, &place, waited, None).await),
                Reuse::ServeAndRenew => {
                    self.renew(exchange, &place);
                    return Ok(self.serve(exchange, &place, waited, None).await);
                }
                Reuse::Unavailable => return Ok(rare(self.not_cached(exchange)).await),
                Reuse::Revalidate => {}
            }
            let collapsed = waited.map(|_| false);
            if no_flight(exchange.request(), &place) {
                return rare(self.pass_through(exchange, &place, place.lack(), collapsed)).await;
            }
            match self.permit(&place) {
                None => {}
                Some(Permit::None) if waited.is_none() => {
                    waited = Some(place.lack());
                    rare(self.wait(exchange, &place)).await?;
                }
                Some(permit) => return rare(self.ask(exchange, &place, permit, collapsed)).await,
            }
            primary = place.primary;
        }
        let place = Place::find(&self.edge.store, primary, exchange.request());
        rare(self.pass_through(exchange, &place, place.lack(), waited.map(|_| false))).await
    }

    /// By which right a server may be asked for the response: none where another one is asking; `None` where there is something
    /// else by now.
    fn permit(&self, place: &Place) -> Option<Permit> {
        match self.edge.store.lease(place.key(), LEASE) {
            Leased::Granted { lease, .. } => Some(Permit::Lease(lease)),
            Leased::Held { .. } => Some(Permit::None),
            Leased::Hit(fresh) => {
                let same = place.hit.as_ref().is_some_and(|hit| hit.version == fresh.version);
                same.then_some(Permit::Unchanged(fresh.version))
            }
        }
    }

    /// The client wanted it so: nothing has failed that anybody should be told of.
    async fn not_cached(&self, exchange: &mut impl Exchange) -> Ended {
        NOT_CACHED
            .send(exchange, self.local.balancer.options.server.as_deref())
            .await;
        (Instant::now(), "miss")
    }

    /// Waits until another request's response is there or will not be, and no longer than is bearable.
    async fn wait(&self, exchange: &mut impl Exchange, place: &Place) -> Result<(), Stop> {
        self.local.thread.counters().cache_collapsed.add(1);
        let mut waiting = pin!(self.edge.store.wait(place.key()));
        let ended = poll_fn(|cx: &mut Context<'_>| match exchange.poll_gone(cx) {
            Poll::Ready(()) => Poll::Ready(Err(Stop::Broken)),
            Poll::Pending => waiting.as_mut().poll(cx).map(Ok),
        });
        timeout(self.edge.options.wait, ended).await.unwrap_or(Ok(()))
    }

    /// Asks a server by right of a lease, and stores what it says; with something stored, whether that still holds.
    async fn ask(
        &self,
        exchange: &mut impl Exchange,
        place: &Place,
        permit: Permit,
        collapsed: Option<bool>,
    ) -> Result<Ended, Stop> {
        let store = &self.edge.store;
        let flight = Flight {
            store,
            key: place.key(),
            permit,
        };
        if exchange.request().is_head() {
            let errand = self.as_it_is(exchange.request(), place, permit, place.lack(), collapsed);
            return self.pass(exchange, errand).await;
        }
        let mut validates = validates(place);
        loop {
            let errand = self.errand(exchange.request(), place, permit, validates, collapsed);
            let (fresh, server_said) = match self.fetch(exchange, errand).await? {
                Fetched::Done(ended) => {
                    self.local.thread.counters().cache_misses.add(1);
                    return Ok((ended, "miss"));
                }
                Fetched::Another => {
                    validates = false;
                    continue;
                }
                Fetched::Stored { fresh, server_said } => (fresh, server_said),
            };
            let update = |update| freshen(self.edge, &self.asked, exchange.request(), place, permit, &update);
            let renewed = fresh.and_then(update);
            drop(flight);
            let told = CacheStatus {
                forwarded: Some(Forwarded::Stale),
                server_said,
                collapsed,
                ..CacheStatus::default()
            };
            let place = renewed.as_ref().unwrap_or(place);
            return Ok(self.serve(exchange, place, None, Some(told)).await);
        }
    }

    fn errand<'a>(
        &'a self,
        request: &Request,
        place: &'a Place,
        permit: Permit,
        validates: bool,
        collapsed: Option<bool>,
    ) -> Errand<'a> {
        let stored = place.head();
        let covers = stored.is_some_and(|(head, hit)| {
            let default = self.edge.options.stale_if_error;
            reuse::covers_error(&self.asked.directives, &head.candidate(hit), default)
        });
        let ours = stored.map(|(head, _)| {
            let mut ours = same(request);
            match validates {
                true => validation::ask_whether_it_holds(ours.fields_mut(), |name| head.get(name)),
                // What is stored is no good, so the whole is wanted.
                false => validation::ask_whether_it_holds(ours.fields_mut(), |_| None),
            }
            ours
        });
        Errand {
            edge: self.edge,
            place,
            asked: &self.asked,
            permit,
            name: self.name,
            why: place.lack(),
            collapsed,
            request: ours,
            validates,
            covers,
            is_safe: request.is_safe(),
            asked_at: unix_seconds(),
            now: unix_seconds,
        }
    }

    async fn fetch(&self, exchange: &mut impl Exchange, errand: Errand<'_>) -> Result<Fetched, Stop> {
        let covers = errand.covers;
        let destination = self.destination.for_variant(exchange.request());
        let mut recorder = Recorder::new(exchange, errand);
        let result = by_server(self.local, &mut recorder, self.id, self.began, destination).await;
        match (recorder.outcome, result) {
            (Outcome::Holds(update), _) => Ok(Fetched::Stored {
                fresh: Some(update),
                server_said: Some(304),
            }),
            (Outcome::Another, _) => Ok(Fetched::Another),
            (Outcome::Failed(status), _) => Ok(Fetched::Stored {
                fresh: None,
                server_said: Some(status),
            }),
            (Outcome::Passed, Err(Stop::Refuse(problem))) if covers && reuse::is_error(problem.status()) => {
                Ok(Fetched::Stored {
                    fresh: None,
                    server_said: None,
                })
            }
            (Outcome::Passed, result) => result.map(Fetched::Done),
        }
    }

    /// Passes a request on whose response is not stored.
    async fn pass_through(
        &self,
        exchange: &mut impl Exchange,
        place: &Place,
        why: Forwarded,
        collapsed: Option<bool>,
    ) -> Result<Ended, Stop> {
        let errand = self.as_it_is(exchange.request(), place, Permit::None, why, collapsed);
        self.pass(exchange, errand).await
    }

    /// The client's own request, which the stored response has no part in.
    fn as_it_is<'a>(
        &'a self,
        request: &Request,
        place: &'a Place,
        permit: Permit,
        why: Forwarded,
        collapsed: Option<bool>,
    ) -> Errand<'a> {
        Errand {
            why,
            request: None,
            covers: false,
            ..self.errand(request, place, permit, false, collapsed)
        }
    }

    async fn pass(&self, exchange: &mut impl Exchange, errand: Errand<'_>) -> Result<Ended, Stop> {
        self.local.thread.counters().cache_misses.add(1);
        let destination = self.destination.for_variant(exchange.request());
        let mut recorder = Recorder::new(exchange, errand);
        let ended = by_server(self.local, &mut recorder, self.id, self.began, destination).await?;
        Ok((ended, "miss"))
    }

    async fn serve(
        &self,
        exchange: &mut impl Exchange,
        place: &Place,
        waited: Option<Forwarded>,
        told: Option<CacheStatus>,
    ) -> Ended {
        let Some((head, hit)) = place.head() else {
            return (Instant::now(), "miss");
        };
        let counters = self.local.thread.counters();
        let candidate = head.candidate(hit);
        let (counter, result) = match (told, candidate.fresh_for) {
            (
                Some(CacheStatus {
                    server_said: Some(304), ..
                }),
                _,
            ) => (&counters.cache_revalidated, "revalidated"),
            (_, 0) => (&counters.cache_stale, "stale"),
            _ => (&counters.cache_hits, "hit"),
        };
        counter.add(1);
        let told = told.unwrap_or(CacheStatus {
            forwarded: waited,
            collapsed: waited.map(|_| true),
            ..CacheStatus::default()
        });
        let told = CacheStatus {
            ttl: Some(head.ttl(hit)),
            ..told
        };
        let sent = serve(exchange, &head, hit, told, self.name, self.local.thread.random()).await;
        counters.cache_bytes.add(sent);
        (Instant::now(), result)
    }

    /// Has a stale response renewed beside its being served, by one at a time.
    fn renew(&self, exchange: &impl Exchange, place: &Place) {
        let Leased::Granted { lease, .. } = self.edge.store.lease(place.key(), LEASE) else {
            return;
        };
        let mut request = same(exchange.request());
        request.fields_mut().retain(|field| {
            !matches!(
                field.known,
                Known::Condition | Known::Range | Known::CacheControl | Known::Pragma
            )
        });
        let mut nobody = Nobody::new(request, exchange.peer().clone());
        let (local, primary) = (Rc::clone(self.local), place.primary.clone());
        let (key, destination, id) = (place.key().to_vec(), self.destination, self.id);
        drop(tokio::task::spawn_local(async move {
            let Some(edge) = local.balancer.edge() else {
                return;
            };
            let permit = Permit::Lease(lease);
            let _flight = Flight {
                store: &edge.store,
                key: &key,
                permit,
            };
            let place = Place::find(&edge.store, primary, nobody.request());
            let visit = Visit {
                local: &local,
                edge,
                destination,
                id,
                asked: Asked::of(nobody.request()),
                began: Instant::now(),
                name: "",
            };
            if place.key() == key {
                visit.renewal(&mut nobody, &place, permit).await;
            }
        }));
    }

    /// Whatever comes of it: who asks next finds it, or asks again.
    async fn renewal(&self, nobody: &mut Nobody, place: &Place, permit: Permit) {
        for validates in [validates(place), false] {
            let errand = self.errand(nobody.request(), place, permit, validates, None);
            match self.fetch(nobody, errand).await {
                Ok(Fetched::Another) => {}
                Ok(Fetched::Stored {
                    fresh: Some(update), ..
                }) => {
                    freshen(self.edge, &self.asked, nobody.request(), place, permit, &update);
                    return;
                }
                _ => return,
            }
        }
    }
}

/// Whether a server can be asked if what is stored still holds.
fn validates(place: &Place) -> bool {
    place
        .head()
        .is_some_and(|(head, _)| validation::has_validator(&head.to_fields()))
}

/// Whether a request cannot be others' leader, since its response will not be theirs.
fn no_flight(request: &Request, place: &Place) -> bool {
    let without_whole = request.is_head() || request.fields().known(Known::Range).is_some();
    place.pass || (without_whole && place.hit.is_none())
}

/// The same request as GET, in memory of its own.
fn same(request: &Request) -> Request {
    let mut copy = Request::new();
    copy.begin(request.version, b"GET", request.target(), request.authority());
    request
        .fields()
        .iter()
        .for_each(|field| copy.fields_mut().push(field.name, field.value));
    copy
}
