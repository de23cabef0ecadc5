//! Counters of all threads added up.

use std::collections::HashMap;

use headrace_core::{
    compress::Coding,
    engine,
    metrics::{Counter, Distribution, Refused, ThreadCounters},
};
use pyo3::prelude::*;

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Histogram(pub(crate) Distribution);

#[pymethods]
impl Histogram {
    #[getter]
    fn bounds(&self) -> Vec<f64> {
        self.0.buckets().0
    }

    #[getter]
    fn counts(&self) -> Vec<u64> {
        self.0.buckets().1
    }

    #[getter]
    fn sum(&self) -> f64 {
        self.0.seconds()
    }

    fn percentile(&self, percent: f64) -> f64 {
        self.0.percentile(percent)
    }
}

#[pyclass(frozen, get_all, module = "headrace._core")]
pub(crate) struct Counters {
    connections_accepted: u64,
    connections_open: u64,
    connections_refused: u64,
    tls_handshakes: u64,
    tls_resumed: u64,
    tls_failed: u64,
    requests_http1: u64,
    requests_http2: u64,
    responses: HashMap<String, u64>,
    refused: HashMap<&'static str, u64>,
    bytes_received: u64,
    bytes_sent: u64,
    retries: u64,
    queued: u64,
    upstream_connections: u64,
    tunnels_open: u64,
    cache_hits: u64,
    cache_stale: u64,
    cache_revalidated: u64,
    cache_misses: u64,
    cache_collapsed: u64,
    cache_bytes: u64,
    compressed: HashMap<&'static str, u64>,
    compressed_in: u64,
    compressed_out: u64,
    syslog_open: u64,
    syslog_strangers: u64,
    syslog_messages: u64,
    syslog_malformed: u64,
    syslog_cut: u64,
    latency: Py<Histogram>,
}

impl Counters {
    pub(crate) fn read(py: Python<'_>, engine: &engine::Engine) -> PyResult<Self> {
        let threads = &engine.shared().counters;
        let sum = |counter: fn(&ThreadCounters) -> &Counter| threads.iter().map(|thread| counter(thread).get()).sum();
        let responses = (0..5).map(|class| {
            let count = threads.iter().map(|thread| thread.responses[class].get()).sum();
            (format!("{}xx", class + 1), count)
        });
        let refused = Refused::ALL.iter().map(|(why, code, _)| {
            let count = threads.iter().map(|thread| thread.refused[*why as usize].get()).sum();
            (*code, count)
        });
        let compressed = Coding::ALL.iter().map(|coding| {
            let count = threads
                .iter()
                .map(|thread| thread.compressed[*coding as usize].get())
                .sum();
            (coding.name(), count)
        });
        Ok(Self {
            connections_accepted: sum(|thread| &thread.connections_accepted),
            connections_open: sum(|thread| &thread.connections_open),
            connections_refused: sum(|thread| &thread.connections_refused),
            tls_handshakes: sum(|thread| &thread.tls_handshakes),
            tls_resumed: sum(|thread| &thread.tls_resumed),
            tls_failed: sum(|thread| &thread.tls_failed),
            requests_http1: sum(|thread| &thread.requests_http1),
            requests_http2: sum(|thread| &thread.requests_http2),
            responses: responses.collect(),
            refused: refused.collect(),
            bytes_received: sum(|thread| &thread.bytes_received),
            bytes_sent: sum(|thread| &thread.bytes_sent),
            retries: sum(|thread| &thread.retries),
            queued: sum(|thread| &thread.queued),
            upstream_connections: sum(|thread| &thread.upstream_connections),
            tunnels_open: sum(|thread| &thread.tunnels_open),
            cache_hits: sum(|thread| &thread.cache_hits),
            cache_stale: sum(|thread| &thread.cache_stale),
            cache_revalidated: sum(|thread| &thread.cache_revalidated),
            cache_misses: sum(|thread| &thread.cache_misses),
            cache_collapsed: sum(|thread| &thread.cache_collapsed),
            cache_bytes: sum(|thread| &thread.cache_bytes),
            compressed: compressed.collect(),
            compressed_in: sum(|thread| &thread.compressed_in),
            compressed_out: sum(|thread| &thread.compressed_out),
            syslog_open: sum(|thread| &thread.syslog_open),
            syslog_strangers: sum(|thread| &thread.syslog_strangers),
            syslog_messages: sum(|thread| &thread.syslog_messages),
            syslog_malformed: sum(|thread| &thread.syslog_malformed),
            syslog_cut: sum(|thread| &thread.syslog_cut),
            latency: Py::new(py, Histogram(engine.latency()))?,
        })
    }
}
