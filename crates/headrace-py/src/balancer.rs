//! The balancer, its options and what it counts of servers.

use std::{collections::HashMap, sync::Arc};

use headrace_core::balancer::{self, EdgeOptions, Entries, Options, Via};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    counters::Histogram,
    errors::{raise, seconds},
    shipper::LogShipper,
    table::RoutingTable,
};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct BalancerOptions(Options);

/// What is written into a field must not be able to end it.
fn field_value(name: &str, value: Option<String>) -> PyResult<Option<String>> {
    match value {
        Some(text) if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_control()) => Err(
            PyValueError::new_err(format!("{name} must be printable text, not {text:?}")),
        ),
        value => Ok(value),
    }
}

#[pymethods]
impl BalancerOptions {
    #[new]
    #[pyo3(signature = (
        *,
        connect_timeout = 3.0,
        response_timeout = 30.0,
        stream_idle_timeout = 300.0,
        idle_connections = 32,
        idle_timeout = 55.0,
        retry_budget = 0.2,
        retry_budget_min = 3,
        retry_backoff_min = 0.025,
        retry_backoff_max = 0.25,
        queue_length = 1024,
        queue_timeout = 5.0,
        max_body = 16_777_216,
        trusted = Vec::new(),
        server = None,
        via = None,
        forwarded = false,
        cache_bytes = 268_435_456,
        cache_object = 8_388_608,
        cache_wait = 5.0,
        cache_stale_if_error = 0
    ), text_signature = "(*, connect_timeout=3.0, response_timeout=30.0, stream_idle_timeout=300.0, \
        idle_connections=32, idle_timeout=55.0, retry_budget=0.2, retry_budget_min=3, retry_backoff_min=0.025, \
        retry_backoff_max=0.25, queue_length=1024, queue_timeout=5.0, max_body=16777216, trusted=(), server=None, \
        via=None, forwarded=False, cache_bytes=268435456, cache_object=8388608, cache_wait=5.0, \
        cache_stale_if_error=0)")]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn new(
        connect_timeout: f64,
        response_timeout: f64,
        stream_idle_timeout: f64,
        idle_connections: usize,
        idle_timeout: f64,
        retry_budget: f64,
        retry_budget_min: usize,
        retry_backoff_min: f64,
        retry_backoff_max: f64,
        queue_length: usize,
        queue_timeout: f64,
        max_body: u64,
        trusted: Vec<String>,
        server: Option<String>,
        via: Option<String>,
        forwarded: bool,
        cache_bytes: u64,
        cache_object: u64,
        cache_wait: f64,
        cache_stale_if_error: u32,
    ) -> PyResult<Self> {
        let trusted = trusted.iter().map(|network| network.parse().map_err(raise));
        Ok(Self(Options {
            connect_timeout: seconds("connect_timeout", connect_timeout)?,
            response_timeout: seconds("response_timeout", response_timeout)?,
            stream_idle_timeout: seconds("stream_idle_timeout", stream_idle_timeout)?,
            idle_connections,
            idle_timeout: seconds("idle_timeout", idle_timeout)?,
            retry_budget,
            retry_budget_min,
            retry_backoff_min: seconds("retry_backoff_min", retry_backoff_min)?,
            retry_backoff_max: seconds("retry_backoff_max", retry_backoff_max)?,
            queue_length,
            queue_timeout: seconds("queue_timeout", queue_timeout)?,
            max_body,
            trusted: trusted.collect::<PyResult<_>>()?,
            server: field_value("server", server)?,
            via: field_value("via", via)?.as_deref().map(Via::new),
            forwarded,
            edge_cache: EdgeOptions {
                max_bytes: cache_bytes,
                max_object: cache_object,
                wait: seconds("cache_wait", cache_wait)?,
                stale_if_error: cache_stale_if_error,
            },
        }))
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Balancer(pub(crate) Arc<balancer::Balancer>);

#[pymethods]
impl Balancer {
    #[new]
    #[pyo3(signature = (options = None))]
    fn new(options: Option<PyRef<'_, BalancerOptions>>) -> Self {
        let options = options.map_or_else(Options::default, |options| options.0.clone());
        Self(Arc::new(balancer::Balancer::new(options)))
    }

    #[pyo3(signature = (shipper, *, access = false))]
    fn log_to(&self, shipper: &LogShipper, access: bool) {
        self.0.log_to(Entries {
            shipper: Arc::clone(&shipper.0),
            access,
        });
    }

    fn publish(&self, table: &RoutingTable) {
        self.0.publish(&table.0);
    }

    fn stats(&self, py: Python<'_>) -> PyResult<Vec<ServerStats>> {
        self.0
            .stats()
            .into_iter()
            .map(|stats| ServerStats::new(py, stats))
            .collect()
    }

    fn end_streams(&self, server: &str, over: f64) -> PyResult<()> {
        self.0.end_streams(server, seconds("over", over)?);
        Ok(())
    }

    fn cut(&self, server: &str) -> usize {
        self.0.cut(server)
    }

    #[pyo3(signature = (*, key = None, tag = None, prefix = None, soft = false))]
    fn purge(
        &self,
        py: Python<'_>,
        key: Option<&str>,
        tag: Option<&str>,
        prefix: Option<&str>,
        soft: bool,
    ) -> PyResult<u64> {
        let Some(edge) = self.0.edge() else {
            return Ok(0);
        };
        match (key, tag, prefix) {
            (Some(key), None, None) => Ok(edge.purge(key.as_bytes(), soft)),
            (None, Some(tag), None) => Ok(edge.store.invalidate_tag(tag.as_bytes(), soft)),
            (None, None, Some(prefix)) => Ok(py.detach(|| edge.store.invalidate_prefix(prefix.as_bytes(), soft))),
            _ => Err(PyValueError::new_err("purge takes one of key, tag and prefix")),
        }
    }

    fn cache_stats(&self) -> Option<HashMap<&'static str, u64>> {
        let stats = self.0.edge()?.store.stats();
        Some(HashMap::from([
            ("entries", stats.entries),
            ("bytes", stats.bytes),
            ("max_bytes", stats.max_bytes),
            ("sets", stats.sets),
            ("evictions", stats.evictions),
            ("expirations", stats.expirations),
            ("invalidations", stats.invalidations),
        ]))
    }
}

#[pyclass(frozen, get_all, module = "headrace._core")]
pub(crate) struct ServerStats {
    id: String,
    in_flight: usize,
    requests: u64,
    failures: u64,
    failures_in_a_row: u32,
    last_failure: String,
    latency: Py<Histogram>,
}

impl ServerStats {
    fn new(py: Python<'_>, stats: balancer::Stats) -> PyResult<Self> {
        Ok(Self {
            id: stats.id,
            in_flight: stats.in_flight,
            requests: stats.requests,
            failures: stats.failures,
            failures_in_a_row: stats.failures_in_a_row,
            last_failure: stats.last_failure,
            latency: Py::new(py, Histogram(stats.latency))?,
        })
    }
}
