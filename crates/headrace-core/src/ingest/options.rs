//! What an ingest server is told.

use std::time::Duration;

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
    /// The most bytes of a body, as sent and as decoded (`MAX_LENGTH`): 1 MiB, as nginx has it.
    pub max_length: usize,
    /// The most bytes of bodies that are being read at once: slow clients in a crowd hold no more than this.
    pub max_reading: usize,
    pub ack: Ack,
    /// How long `Ack::Object` waits before it says that the collection is safe but has not landed.
    pub landing_timeout: Duration,
    /// How long an idempotency key is remembered; and the most keys.
    pub window: Duration,
    pub max_keys: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            streams: vec![("/".to_owned(), 0)],
            tokens: Vec::new(),
            max_length: 1 << 20,
            max_reading: 256 << 20,
            ack: Ack::Disk,
            landing_timeout: Duration::from_secs(60),
            window: Duration::from_secs(600),
            max_keys: 1_000_000,
        }
    }
}
