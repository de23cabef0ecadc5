//! One engine thread: its event loop, and what belongs to it alone.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use tokio::{
    runtime::{Builder, LocalOptions},
    sync::mpsc::UnboundedReceiver,
    time::{MissedTickBehavior, interval},
};

use super::Shared;
use crate::{
    error::Error,
    limits::Limits,
    metrics::ThreadCounters,
    net::{
        buffers::Buffers,
        clock::{Clock, IDLE, NEVER, TICK},
        pipe::Pipes,
    },
};

type Work = Box<dyn FnOnce(&Rc<Thread>) + Send>;

pub(super) enum Command {
    Run(Work),
    /// Accept no more, finish what is under way by then (the clock's milliseconds).
    Stop(u64),
    /// End now.
    Abort,
}

type Chore = Box<dyn Fn()>;

pub struct Thread {
    pub index: usize,
    pub clock: Rc<Clock>,
    pub buffers: Buffers,
    pub pipes: Pipes,
    shared: Arc<Shared>,
    /// When everything ends; `NEVER` before anyone asked.
    stop_by: Cell<u64>,
    random: Cell<u64>,
    date: RefCell<Date>,
    chores: RefCell<Vec<Chore>>,
}

#[derive(Default)]
struct Date {
    second: u64,
    text: String,
}

impl Thread {
    fn new(index: usize, shared: Arc<Shared>) -> Rc<Self> {
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), index);
        let thread = Self {
            index,
            clock: Clock::new(),
            buffers: Buffers::default(),
            pipes: Pipes::default(),
            shared,
            stop_by: Cell::new(NEVER),
            random: Cell::new(seed | 1),
            date: RefCell::default(),
            chores: RefCell::default(),
        };
        thread.update_date();
        Rc::new(thread)
    }

    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub fn counters(&self) -> &ThreadCounters {
        &self.shared.counters[self.index]
    }

    /// Whether connections should end after the request they are at.
    pub fn stopping(&self) -> bool {
        self.stop_by.get() != NEVER
    }

    /// When what is under way is cut, in the clock's milliseconds.
    pub fn stop_by(&self) -> Option<u64> {
        Some(self.stop_by.get()).filter(|by| *by != NEVER)
    }

    /// Not for secrets: spreads load and names requests (wyrand).
    pub fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0xa076_1d64_78bd_642f);
        self.random.set(state);
        let product = u128::from(state) * u128::from(state ^ 0xe703_7ed1_a0b4_28db);
        (product >> 64) as u64 ^ product as u64
    }

    /// The current `Date` field's value.
    pub fn with_date<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(self.date.borrow().text.as_bytes())
    }

    /// Something to do about once a second.
    pub fn add_chore(&self, chore: impl Fn() + 'static) {
        self.chores.borrow_mut().push(Box::new(chore));
    }

    fn update_date(&self) {
        let now = SystemTime::now();
        let second = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let mut date = self.date.borrow_mut();
        if date.second != second || date.text.is_empty() {
            date.second = second;
            date.text = httpdate::fmt_http_date(now);
        }
    }

    async fn keep_time(self: Rc<Self>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for count in 0u64.. {
            ticks.tick().await;
            self.clock.tick();
            self.update_date();
            if count.is_multiple_of(10) {
                self.chores.borrow().iter().for_each(|chore| chore());
            }
        }
    }

    fn stop(&self, by: u64) {
        self.stop_by.set(by.min(self.stop_by.get()));
        self.clock.fire(IDLE);
        self.clock.rouse(None);
    }
}

/// A client's connection that is counted for as long as this lives.
pub struct Open(Rc<Thread>);

impl Open {
    /// `None` when there are as many as are borne.
    pub fn count(thread: &Rc<Thread>) -> Option<Self> {
        let open = thread.shared.open.fetch_add(1, Ordering::AcqRel);
        let counted = Self(Rc::clone(thread));
        thread.counters().connections_open.add(1);
        (open < thread.limits().connections).then_some(counted)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters().connections_open.sub(1);
        self.0.shared.open.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(super) fn start(
    index: usize,
    shared: Arc<Shared>,
    inbox: UnboundedReceiver<Command>,
) -> Result<JoinHandle<()>, Error> {
    let failed = |error: std::io::Error| Error::Engine(format!("engine thread {index} cannot start: {error}"));
    std::thread::Builder::new()
        .name(format!("headrace-{index}"))
        .spawn(move || run(index, shared, inbox))
        .map_err(failed)
}

fn run(index: usize, shared: Arc<Shared>, inbox: UnboundedReceiver<Command>) {
    let runtime = match Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let detail = format!("engine thread {index} cannot start: {error}");
            return shared.events.push(super::Event::Listener { ok: false, detail });
        }
    };
    runtime.block_on(async move {
        let thread = Thread::new(index, shared);
        let time = tokio::task::spawn_local(Rc::clone(&thread).keep_time());
        obey(&thread, inbox).await;
        time.abort();
    });
    // Whatever still waits on a name being resolved is not waited for.
    runtime.shutdown_timeout(Duration::ZERO);
}

async fn obey(thread: &Rc<Thread>, mut inbox: UnboundedReceiver<Command>) {
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Run(work) => work(thread),
            Command::Stop(by) => thread.stop(by),
            Command::Abort => return,
        }
    }
    // Without an engine nobody can stop the thread but its owner's end.
    pending::<()>().await;
}
