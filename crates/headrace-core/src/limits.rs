//! What a listener bears from clients. Each default names whose precedent it follows.

use std::time::Duration;

use crate::error::Error;

/// Descriptors that are kept for everything but connections.
const RESERVED_FILES: usize = 64;

#[derive(Debug, Clone)]
pub struct Limits {
    /// From a connection's or a request's first moment to the end of its head (Granian).
    pub header_timeout: Duration,
    /// A request's body may pause so long (nginx).
    pub body_idle_timeout: Duration,
    /// Bytes a second a body must come at, on the average of the time waited for it, after `body_grace` (Apache).
    pub body_min_rate: u64,
    pub body_grace: Duration,
    /// A client may stop reading a response so long (nginx).
    pub write_idle_timeout: Duration,
    /// Between requests (nginx).
    pub keep_alive: Duration,
    pub keep_alive_http2: Duration,
    /// Longest line, all lines, number of fields (nginx, Envoy).
    pub head: HeadLimits,
    /// Client connections at once over all threads; 0 derives it from the limit of open files.
    pub connections: usize,
    /// HTTP/2: streams at once, windows (`HAProxy`, Envoy's edge guide).
    pub streams: u32,
    pub stream_window: u32,
    pub connection_window: u32,
    /// HTTP/2: what a connection may send of each in a second (Sozu, Envoy).
    pub resets_per_second: u32,
    pub pings_per_second: u32,
    pub settings_per_second: u32,
    pub continuations_per_second: u32,
}

/// How large a head may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of one line, without its end.
    pub line: usize,
    /// Bytes of the whole head.
    pub bytes: usize,
    /// Fields, at most [`crate::http::head::MOST_FIELDS`].
    pub count: usize,
}

impl Default for HeadLimits {
    /// What nginx and Envoy allow.
    fn default() -> Self {
        Self {
            line: 8 * 1024,
            bytes: 32 * 1024,
            count: 100,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(60),
            body_min_rate: 500,
            body_grace: Duration::from_secs(20),
            write_idle_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            keep_alive_http2: Duration::from_secs(180),
            head: HeadLimits::default(),
            connections: 0,
            streams: 100,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
            resets_per_second: 100,
            pings_per_second: 100,
            settings_per_second: 50,
            continuations_per_second: 20,
        }
    }
}

impl Limits {
    /// Refuses what would serve nobody.
    pub fn checked(self) -> Result<Self, Error> {
        let durations = [
            ("header_timeout", self.header_timeout),
            ("body_idle_timeout", self.body_idle_timeout),
            ("write_idle_timeout", self.write_idle_timeout),
            ("keep_alive", self.keep_alive),
            ("keep_alive_http2", self.keep_alive_http2),
        ];
        let counts = [
            ("header_line", self.head.line),
            ("header_bytes", self.head.bytes),
            ("header_count", self.head.count),
            ("streams", self.streams as usize),
            ("stream_window", self.stream_window as usize),
            ("connection_window", self.connection_window as usize),
            ("resets_per_second", self.resets_per_second as usize),
            ("pings_per_second", self.pings_per_second as usize),
            ("settings_per_second", self.settings_per_second as usize),
            ("continuations_per_second", self.continuations_per_second as usize),
        ];
        let zero = durations
            .iter()
            .find(|(_, value)| value.is_zero())
            .map(|(name, _)| name)
            .or_else(|| counts.iter().find(|(_, value)| *value == 0).map(|(name, _)| name));
        match zero {
            Some(name) => Err(Error::Engine(format!("{name} must be more than 0"))),
            None => Ok(self),
        }
    }

    /// With `connections` derived: each client's connection may need one to a server.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        if self.connections == 0 {
            self.connections = (open_files().saturating_sub(RESERVED_FILES) / 2).max(16);
        }
        self
    }
}

#[allow(unsafe_code)]
fn open_files() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel fills the structure it is given; no safe wrapper of this call is among the dependencies.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } {
        0 => usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX),
        _ => 1024,
    }
}
