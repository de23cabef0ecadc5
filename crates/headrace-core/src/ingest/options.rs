//! What an ingest server is told.

use std::time::Duration;

use crate::intake;

/// When a collection is answered. Every reply names what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// When it is in this process's memory: a crash may lose it.
    Memory,
    /// When it is synced to the journal.
    Disk,
    /// When it has landed.
    Object,
}

impl Ack {
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Object => "object",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Options {
    /// The paths that are posted to, and the number of each one's stream in the journal.
    pub streams: Vec<(String, u16)>,
    /// The tokens a collection may carry; none: any.
    pub tokens: Vec<String>,
    pub ack: Ack,
    /// How long `Ack::Object` waits before it says that the collection is safe but has not landed.
    pub landing_timeout: Duration,
    pub intake: intake::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            streams: vec![("/".to_owned(), 0)],
            tokens: Vec::new(),
            ack: Ack::Disk,
            landing_timeout: Duration::from_secs(60),
            intake: intake::Options::default(),
        }
    }
}
