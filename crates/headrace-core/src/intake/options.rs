//! What an intake is told.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Options {
    /// The most bytes of a body, as sent and as decoded (`MAX_LENGTH`): 1 MiB, as nginx has it.
    pub max_length: usize,
    /// The most bytes of bodies that are being read at once: slow clients in a crowd hold no more than this.
    pub max_reading: usize,
    /// How long an idempotency key is remembered; and the most keys.
    pub window: Duration,
    pub max_keys: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_length: 1 << 20,
            max_reading: 256 << 20,
            window: Duration::from_secs(600),
            max_keys: 1_000_000,
        }
    }
}
