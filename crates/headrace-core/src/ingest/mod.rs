//! Ingest: the handler that takes JSON collections and answers when they are safe.
//!
//! Reading order: `options`, `collection` (what is posted) and `scan` (its quick reader), `server` (one request). How a body
//! becomes safe is the intake's.

pub mod collection;
mod options;
mod scan;
mod server;

use std::{rc::Rc, sync::Arc, time::Duration};

pub use self::{
    options::{Ack, Options},
    server::Server,
};
use crate::{engine::Thread, intake::Intake, journal::Journal, listener::Source, service::is_known};

/// What all engine threads share of one ingest server.
pub struct Ingest {
    options: Options,
    intake: Arc<Intake>,
}

/// The source of an engine's handlers.
pub struct Served(pub Arc<Ingest>);

impl Ingest {
    /// Remembers the idempotency keys that the journal still has.
    pub fn new(journal: Arc<Journal>, options: Options) -> Arc<Self> {
        let intake = Intake::new(journal, options.intake.clone());
        Arc::new(Self { options, intake })
    }

    /// What `Retry-After` says from now on, as it follows from how fast the queue drains.
    pub fn set_retry_after(&self, after: Duration) {
        self.intake.set_retry_after(after);
    }

    /// Whether a collection may carry `token`.
    fn knows(&self, token: &str) -> bool {
        let tokens = &self.options.tokens;
        tokens.is_empty() || is_known(token.as_bytes(), tokens)
    }
}

impl Source for Served {
    type Handler = Server;

    fn handler(&self, thread: &Rc<Thread>) -> Rc<Server> {
        Rc::new(Server {
            ingest: Arc::clone(&self.0),
            local: self.0.intake.local(thread),
        })
    }
}
