//! One engine thread's side of the balancer: its connections, its counters, its turn in each service.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::poll_fn,
    ops::Deref,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::Guard;
use tokio::time::sleep;

use super::{
    Balancer,
    failure::Stop,
    order::Order,
    pick::Wish,
    queue::Place,
    rewrite::Hop,
    seat::Seat,
    server::State,
    table::{Service, Table, Target},
};
use crate::{
    compress::Encoders,
    engine::Thread,
    http::{exchange::Exchange, reply::Problem},
    metrics::Refused,
};

const NOBODY: Problem = Problem::new(Refused::NoServers, "No app servers found");
const FULL: Problem = Problem::new(Refused::Overloaded, "All app servers are busy; try again shortly.");

pub(super) struct Local {
    pub(super) balancer: Arc<Balancer>,
    pub(super) thread: Rc<Thread>,
    /// By the servers' keys. Mostly a few, and then no hash is as quick as a look at all.
    seats: RefCell<BTreeMap<u64, Rc<Seat>>>,
    turns: RefCell<Vec<usize>>,
    pub(super) order: Order,
    pub(super) encoders: Rc<Encoders>,
}

impl Local {
    pub(super) fn new(balancer: Arc<Balancer>, thread: Rc<Thread>) -> Rc<Self> {
        let order = Order::new(thread.random());
        let local = Rc::new(Self {
            balancer,
            thread,
            seats: RefCell::default(),
            turns: RefCell::default(),
            order,
            encoders: Rc::default(),
        });
        let weak = Rc::downgrade(&local);
        local.thread.add_chore(move || {
            if let Some(local) = weak.upgrade() {
                local.tidy();
            }
        });
        local
    }

    /// This hop, as the server of a request is told of it.
    pub(super) fn hop<'a>(&'a self, exchange: &'a impl Exchange, id: [u64; 2]) -> Hop<'a> {
        Hop {
            peer: exchange.peer(),
            options: &self.balancer.options,
            id,
        }
    }

    pub(super) fn table(&self) -> Guard<Arc<Table>> {
        self.balancer.table.load()
    }

    pub(super) fn seat(&self, state: &Arc<State>) -> Rc<Seat> {
        let mut seats = self.seats.borrow_mut();
        let seat = seats.entry(state.key).or_insert_with(|| Rc::new(Seat::new(state)));
        seat.follow();
        Rc::clone(seat)
    }

    /// Once a second: old connections go, servers that have left are forgotten, requests of those that leave see to their end, cut ones lose
    /// what they still hold.
    fn tidy(&self) {
        let now = self.thread.clock.now();
        let oldest = now.saturating_sub(self.balancer.options.idle_timeout.as_millis() as u64);
        self.seats.borrow_mut().retain(|key, seat| {
            if seat.leaves_anew() {
                self.thread.clock.rouse(Some(*key));
            }
            if seat.state.is_cut() {
                self.thread.clock.fire(*key);
            }
            if !seat.state.is_listed() {
                seat.pool.clear();
                return Rc::strong_count(seat) > 1;
            }
            seat.pool.expire(oldest, self.balancer.options.idle_connections);
            true
        });
    }

    fn pick(&self, index: usize, service: &Service, except: Option<u64>) -> Option<Arc<Target>> {
        let mut turns = self.turns.borrow_mut();
        if turns.len() <= index {
            turns.resize(index + 1, self.thread.index);
        }
        let turn = turns.get_mut(index)?;
        let wish = Wish {
            turn: *turn,
            random: self.thread.random(),
            now: self.thread.clock.now(),
            except,
        };
        let (target, next) = service.pick(&wish)?;
        *turn = next % service.schedule.len().max(1);
        Some(target)
    }

    /// Finds a server for a request and enters it. `Ok(None)` where waiting makes sense.
    pub(super) fn try_acquire(self: &Rc<Self>, index: usize, except: Option<u64>) -> Result<Option<InFlight>, Problem> {
        match self.enter(index, except, None)? {
            None if except.is_some() => Err(Problem::new(Refused::BadGateway, "The app server did not answer.")),
            entered => Ok(entered),
        }
    }

    fn enter(
        self: &Rc<Self>,
        index: usize,
        except: Option<u64>,
        place: Option<&Place>,
    ) -> Result<Option<InFlight>, Problem> {
        let table = self.table();
        let service = table.services.get(index).ok_or(NOBODY)?;
        if service.targets.is_empty() && !service.hold {
            return Err(NOBODY);
        }
        // Whoever waits goes first.
        if place.is_none() && except.is_none() && !service.queue.is_empty() {
            return Ok(None);
        }
        Ok(self.pick(index, service, except).map(|target| InFlight {
            target,
            local: Rc::clone(self),
        }))
    }

    /// Waits in line for a server.
    pub(super) async fn wait(self: &Rc<Self>, exchange: &mut impl Exchange, index: usize) -> Result<InFlight, Stop> {
        let options = &self.balancer.options;
        let queue = self
            .table()
            .services
            .get(index)
            .map(|service| Arc::clone(&service.queue))
            .ok_or(NOBODY)?;
        let mut place = None;
        let waiting = poll_fn(|cx: &mut Context<'_>| {
            if exchange.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Stop::Broken));
            }
            if place.is_none() {
                place = queue.join(options.queue_length, cx.waker());
            }
            let Some(place) = &place else {
                return Poll::Ready(Err(self.refusal(index).into()));
            };
            if !place.is_foremost(cx.waker()) {
                return Poll::Pending;
            }
            match self.enter(index, None, Some(place)) {
                Ok(None) => Poll::Pending,
                Ok(Some(entered)) => Poll::Ready(Ok(entered)),
                Err(problem) => Poll::Ready(Err(problem.into())),
            }
        });
        self.thread.counters().queued.add(1);
        let outcome = tokio::select! {
            outcome = waiting => outcome,
            () = sleep(options.queue_timeout) => Err(self.refusal(index).into()),
        };
        self.thread.counters().queued.sub(1);
        outcome
    }

    /// Why waiting came to nothing: a service that was held for a server to come back has none, others are full.
    fn refusal(&self, index: usize) -> Problem {
        match self.table().services.get(index) {
            Some(service) if !service.targets.is_empty() => FULL,
            _ => NOBODY,
        }
    }
}

/// A request that a server has, until dropped.
pub(super) struct InFlight {
    target: Arc<Target>,
    local: Rc<Local>,
}

impl Deref for InFlight {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.target.state.leave();
        self.local.balancer.left(&self.target.state);
    }
}
