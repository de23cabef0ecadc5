//! What a journal is told when it is opened. Each default names why it is what it is.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::segment::{MAX_NODE, START};
use crate::error::Error;

/// Places in a segment are kept in 32 bits, with room for one more record of the longest kind.
const MAX_SEGMENT: u64 = 1 << 30;
const MIN_SEGMENT: u64 = 16 << 10;

/// Milliseconds since 1970, by the wall clock.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

#[derive(Clone)]
pub struct Options {
    /// Who writes: part of every segment's header and of what is made from it. At most 255 bytes.
    pub node: String,
    /// A file's size: 64 MiB, as NATS and Kafka's smaller settings have it; larger ones take longer to be free again.
    pub segment_bytes: u64,
    /// The most on disk, landed or not: 8 GiB.
    pub max_bytes: u64,
    /// The most payloads that have not landed (`MAX_QUEUE`).
    pub max_payloads: u64,
    /// The most bytes that wait for the disk in memory; a disk that stalls for seconds is felt as `Full`.
    pub max_pending: usize,
    /// Free space on the file system that is left to others: below it appends are refused.
    pub reserve_bytes: u64,
    /// How long landed records are kept because their keys are still asked for.
    pub retain: Duration,
    /// What time records are given.
    pub clock: WallClock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            node: "local".to_owned(),
            segment_bytes: 64 << 20,
            max_bytes: 8 << 30,
            max_payloads: 10_000_000,
            max_pending: 64 << 20,
            reserve_bytes: 256 << 20,
            retain: Duration::ZERO,
            clock: Arc::new(wall_clock),
        }
    }
}

impl Options {
    /// Itself, if it makes sense.
    pub(super) fn checked(self) -> Result<Self, Error> {
        let Self {
            segment_bytes,
            max_bytes,
            ..
        } = self;
        let wrong = if !(MIN_SEGMENT..=MAX_SEGMENT).contains(&segment_bytes) {
            format!("segment_bytes must be from {MIN_SEGMENT} to {MAX_SEGMENT}, not {segment_bytes}")
        } else if max_bytes < 2 * segment_bytes {
            format!(
                "max_bytes must be at least two segments ({}), not {max_bytes}",
                2 * segment_bytes
            )
        } else if self.max_payloads == 0 || self.max_pending <= START as usize {
            format!("max_payloads must be at least 1 and max_pending more than {START}")
        } else if self.node.len() > MAX_NODE {
            format!("node must have at most {MAX_NODE} bytes, not {}", self.node.len())
        } else {
            return Ok(self);
        };
        Err(Error::Journal(wrong))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            node,
            segment_bytes,
            max_bytes,
            max_payloads,
            ..
        } = self;
        write!(
            f,
            "Options({node}, {segment_bytes} of {max_bytes} bytes, {max_payloads} payloads)"
        )
    }
}

fn wall_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis() as u64)
}
