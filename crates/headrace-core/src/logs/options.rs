//! What a log server is told.

use std::time::Duration;

use super::batch::MAX_AHEAD;
use crate::intake;

#[derive(Debug, Clone)]
pub struct Options {
    /// The tokens a request may carry; none: it needs none, and a browser's calls from other sites are refused.
    pub tokens: Vec<String>,
    /// How far ahead of this machine's clock an entry's time may lie.
    pub max_ahead: Duration,
    pub intake: intake::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            max_ahead: MAX_AHEAD,
            intake: intake::Options {
                // Shippers send batches, most of them larger than a form or a collection.
                max_length: 4 << 20,
                ..intake::Options::default()
            },
        }
    }
}
