//! What is counted, and how it is read.
//!
//! Each counter has one writer, its engine thread, and any number of readers: a plain load and store, no locked
//! instruction. Readers add up the threads and may see a request in one counter and not yet in another.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Eight buckets for each doubling from 1 us to 71 min: a percentile is at most 12.5 % too high.
const SUB_BITS: u32 = 3;
const SUB: u64 = 1 << SUB_BITS;
const BUCKETS: usize = ((32 - SUB_BITS + 1) as usize) << SUB_BITS;

fn bucket(micros: u64) -> usize {
    if micros < SUB {
        return micros as usize;
    }
    let exponent = micros.ilog2();
    let sub = (micros >> (exponent - SUB_BITS)) & (SUB - 1);
    let index = (u64::from(exponent - SUB_BITS + 1) << SUB_BITS) + sub;
    (index as usize).min(BUCKETS - 1)
}

/// The least duration, in microseconds, that is too long for bucket `index`.
fn bound(index: usize) -> u64 {
    let index = index as u64 + 1;
    if index <= SUB {
        return index;
    }
    (SUB + index % SUB) << (index / SUB - 1)
}

#[derive(Debug)]
pub struct Histogram {
    counts: Box<[Counter]>,
    micros: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: (0..BUCKETS).map(|_| Counter::default()).collect(),
            micros: Counter::default(),
        }
    }
}

impl Histogram {
    pub fn record(&self, duration: Duration) {
        let micros = duration.as_micros() as u64;
        if let Some(count) = self.counts.get(bucket(micros)) {
            count.add(1);
        }
        self.micros.add(micros);
    }
}

/// Histograms of several threads added up.
#[derive(Debug, Clone)]
pub struct Distribution {
    counts: Vec<u64>,
    micros: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            micros: 0,
        }
    }
}

impl Distribution {
    pub fn add(&mut self, histogram: &Histogram) {
        for (sum, count) in self.counts.iter_mut().zip(&histogram.counts) {
            *sum += count.get();
        }
        self.micros += histogram.micros.get();
    }

    pub fn seconds(&self) -> f64 {
        self.micros as f64 / 1e6
    }

    /// Upper bounds in seconds and counts; one bucket a doubling, because more would only be longer to read.
    pub fn buckets(&self) -> (Vec<f64>, Vec<u64>) {
        let last = BUCKETS / SUB as usize - 1;
        let bounds = (0..=last).map(|i| match i {
            _ if i == last => f64::INFINITY,
            _ => bound((i + 1) * SUB as usize - 1) as f64 / 1e6,
        });
        let counts = self.counts.chunks(SUB as usize).map(|chunk| chunk.iter().sum());
        (bounds.collect(), counts.collect())
    }

    /// Seconds below which `percent` of the durations lie.
    pub fn percentile(&self, percent: f64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let wanted = (total as f64 * percent.clamp(0.0, 100.0) / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return bound(index) as f64 / 1e6;
            }
        }
        0.0
    }
}

/// Why a request was answered by headrace itself; the names are the `error` codes of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    RequestTimeout,
    Conflict,
    LeaseLost,
    PreconditionFailed,
    ContentTooLarge,
    UriTooLong,
    UnsupportedCoding,
    UnsupportedType,
    Unprocessable,
    HeadTooLarge,
    ExpectationFailed,
    MethodNotAllowed,
    BadGateway,
    NoServers,
    Overloaded,
    QueueFull,
    Stopping,
    Failed,
    GatewayTimeout,
    DiskFull,
}

impl Refused {
    /// Each with its code and status, in the order of their definition.
    pub const ALL: [(Self, &'static str, u16); 24] = [
        (Self::BadRequest, "bad_request", 400),
        (Self::Unauthorized, "unauthorized", 401),
        (Self::Forbidden, "forbidden", 403),
        (Self::NotFound, "not_found", 404),
        (Self::RequestTimeout, "request_timeout", 408),
        (Self::Conflict, "conflict", 409),
        (Self::LeaseLost, "lease_lost", 409),
        (Self::PreconditionFailed, "precondition_failed", 412),
        (Self::ContentTooLarge, "content_too_large", 413),
        (Self::UriTooLong, "uri_too_long", 414),
        (Self::UnsupportedCoding, "unsupported_content_coding", 415),
        (Self::UnsupportedType, "unsupported_media_type", 415),
        (Self::Unprocessable, "idempotency_key_reused", 422),
        (Self::HeadTooLarge, "request_header_fields_too_large", 431),
        (Self::ExpectationFailed, "expectation_failed", 417),
        (Self::MethodNotAllowed, "method_not_allowed", 405),
        (Self::BadGateway, "bad_gateway", 502),
        (Self::NoServers, "no_app_servers", 503),
        (Self::Overloaded, "overloaded", 503),
        (Self::QueueFull, "queue_full", 503),
        (Self::Stopping, "stopping", 503),
        (Self::Failed, "journal_failed", 503),
        (Self::GatewayTimeout, "gateway_timeout", 504),
        (Self::DiskFull, "disk_full", 507),
    ];

    pub fn code(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub fn status(self) -> u16 {
        Self::ALL[self as usize].2
    }
}

/// What one engine thread counts.
#[derive(Debug, Default)]
pub struct ThreadCounters {
    pub connections_accepted: Counter,
    pub connections_open: Counter,
    pub connections_refused: Counter,
    pub tls_handshakes: Counter,
    pub tls_resumed: Counter,
    pub tls_failed: Counter,
    pub requests_http1: Counter,
    pub requests_http2: Counter,
    pub responses: [Counter; 5],
    pub refused: [Counter; Refused::ALL.len()],
    pub bytes_received: Counter,
    pub bytes_sent: Counter,
    pub retries: Counter,
    pub queued: Counter,
    pub upstream_connections: Counter,
    pub tunnels_open: Counter,
    /// Of the edge cache: fresh answers, stale ones, those a server was asked about, those that had none, requests that waited
    /// for another's, and bytes of stored bodies.
    pub cache_hits: Counter,
    pub cache_stale: Counter,
    pub cache_revalidated: Counter,
    pub cache_misses: Counter,
    pub cache_collapsed: Counter,
    pub cache_bytes: Counter,
    /// Responses compressed, in the order of `compress::Coding`, and bytes of their bodies before and after.
    pub compressed: [Counter; 3],
    pub compressed_in: Counter,
    pub compressed_out: Counter,
    /// Of syslog: connections that are open, clients that may not connect, messages, and how many of them had no known form
    /// or were cut.
    pub syslog_open: Counter,
    pub syslog_strangers: Counter,
    pub syslog_messages: Counter,
    pub syslog_malformed: Counter,
    pub syslog_cut: Counter,
    pub latency: Histogram,
}

impl ThreadCounters {
    pub fn responded(&self, status: u16) {
        if let Some(class) = self.responses.get(usize::from(status / 100).wrapping_sub(1)) {
            class.add(1);
        }
    }

    pub fn refuse(&self, why: Refused) {
        if let Some(counter) = self.refused.get(why as usize) {
            counter.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_below_its_buckets_bound_and_not_below_the_one_before() {
        for micros in (0..100_000).chain((1..31).map(|e| 1 << e)) {
            let index = bucket(micros);
            assert!(micros < bound(index), "{micros}");
            assert!(index == 0 || micros >= bound(index - 1), "{micros}");
        }
    }

    #[test]
    fn refusals_stand_in_the_table_in_their_order() {
        for (index, (why, code, status)) in Refused::ALL.into_iter().enumerate() {
            assert_eq!((why as usize, why.code(), why.status()), (index, code, status));
        }
    }

    #[test]
    fn percentiles_are_at_most_an_eighth_too_high() {
        let histogram = Histogram::default();
        (1..=1000).for_each(|ms| histogram.record(Duration::from_millis(ms)));
        let mut all = Distribution::default();
        all.add(&histogram);
        let median = all.percentile(50.0);
        assert!((0.5..0.57).contains(&median), "{median}");
        let (bounds, counts) = all.buckets();
        assert_eq!(bounds.len(), counts.len());
        assert_eq!(counts.iter().sum::<u64>(), 1000);
    }
}
