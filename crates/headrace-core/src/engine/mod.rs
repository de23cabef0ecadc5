//! The engine: one event loop a thread, one thread a core, nothing moves between them.
//!
//! A connection lives and dies on the thread whose listening socket the kernel gave it to. What threads share is
//! read-only, or an atomic that is written once a connection. Everything else (time, buffers, pools, counters) belongs to
//! a [`Thread`] and needs no lock.
//!
//! A life: `start` makes the threads; a `crate::listener` binds a socket in each; `stop` closes the listeners, tells idle connections
//! to go, waits for the others until the deadline, and ends the threads, cutting what is left.

mod events;
mod thread;

use std::{
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use self::thread::Command;
pub use self::{
    events::{Event, Events},
    thread::{Open, Thread},
};
use crate::{
    error::Error,
    limits::Limits,
    metrics::{Distribution, ThreadCounters},
    net::clock,
};

/// What all threads of an engine share.
#[derive(Debug)]
pub struct Shared {
    pub limits: Limits,
    pub events: Events,
    pub counters: Box<[ThreadCounters]>,
    /// Client connections over all threads.
    pub open: AtomicUsize,
}

struct Runner {
    commands: mpsc::UnboundedSender<Command>,
    join: JoinHandle<()>,
}

pub struct Engine {
    shared: Arc<Shared>,
    runners: Mutex<Vec<Runner>>,
    stop_by: Mutex<Option<Instant>>,
    /// Whether a stop had to cut something off.
    cut: AtomicBool,
}

impl Engine {
    /// Starts `threads` threads, or one per core with 0.
    pub fn start(threads: usize, limits: Limits) -> Result<Self, Error> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let shared = Arc::new(Shared {
            limits: limits.resolved(),
            events: Events::default(),
            counters: (0..threads).map(|_| ThreadCounters::default()).collect(),
            open: AtomicUsize::new(0),
        });
        let runners = (0..threads)
            .map(|index| {
                let (commands, inbox) = mpsc::unbounded_channel();
                let join = thread::start(index, Arc::clone(&shared), inbox)?;
                Ok(Runner { commands, join })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(Self {
            shared,
            runners: Mutex::new(runners),
            stop_by: Mutex::new(None),
            cut: AtomicBool::new(false),
        })
    }

    pub fn threads(&self) -> usize {
        self.shared.counters.len()
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs `work` on thread `index`.
    pub fn run(&self, index: usize, work: impl FnOnce(&Rc<Thread>) + Send + 'static) -> Result<(), Error> {
        let runners = self.runners.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        runners
            .get(index)
            .and_then(|runner| runner.commands.send(Command::Run(Box::new(work))).ok())
            .ok_or_else(|| Error::Engine("the engine is stopped".into()))
    }

    /// The latency histograms of all threads added up.
    pub fn latency(&self) -> Distribution {
        let mut all = Distribution::default();
        self.shared.counters.iter().for_each(|thread| all.add(&thread.latency));
        all
    }

    /// Stops gracefully; whether everything finished within `drain`. A call while another waits can only shorten it.
    pub fn stop(&self, drain: Duration) -> bool {
        let asked = Instant::now() + drain;
        {
            let mut by = self.stop_by.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *by = Some(by.map_or(asked, |earlier| earlier.min(asked)));
        }
        let by = clock::elapsed() + drain.as_millis() as u64;
        self.tell(|| Command::Stop(by));
        if !self.wait() {
            self.cut.store(true, Ordering::Release);
        }
        self.tell(|| Command::Abort);
        let runners = std::mem::take(&mut *self.runners.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for runner in runners {
            // A thread that panicked has printed why.
            let _ = runner.join.join();
        }
        self.shared.events.close();
        !self.cut.load(Ordering::Acquire)
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for runner in self
            .runners
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .iter()
        {
            // A thread that is gone already needs no telling.
            let _ = runner.commands.send(command());
        }
    }

    fn wait(&self) -> bool {
        loop {
            if self.shared.open.load(Ordering::Acquire) == 0 {
                return true;
            }
            let by = *self.stop_by.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if by.is_none_or(|by| Instant::now() >= by) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}
