//! The engine and its listeners.

use std::sync::Arc;

use headrace_core::{balancer, cache, engine, ingest, limits, listener, logs};
use pyo3::prelude::*;

use crate::{
    balancer::Balancer,
    cache_server::CacheServer,
    counters::Counters,
    errors::{raise, seconds},
    event::Event,
    ingest::IngestServer,
    limits::Limits,
    log_server::{LogServer, SyslogServer},
    tls::{ClientTls, Tls},
};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Engine(engine::Engine);

/// What can answer at an address.
#[derive(FromPyObject)]
enum Handler<'py> {
    Balancer(PyRef<'py, Balancer>),
    Cache(PyRef<'py, CacheServer>),
    Ingest(PyRef<'py, IngestServer>),
    Logs(PyRef<'py, LogServer>),
    Syslog(PyRef<'py, SyslogServer>),
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, threads = 0, limits = None))]
    fn new(threads: usize, limits: Option<PyRef<'_, Limits>>) -> PyResult<Self> {
        let limits = limits.map_or_else(limits::Limits::default, |given| given.0.clone());
        engine::Engine::start(threads, limits).map(Self).map_err(raise)
    }

    #[getter]
    fn threads(&self) -> usize {
        self.0.threads()
    }

    #[pyo3(signature = (address, handler, *, tls = None))]
    fn listen(
        &self,
        py: Python<'_>,
        address: &str,
        handler: Handler<'_>,
        tls: Option<PyRef<'_, Tls>>,
    ) -> PyResult<Listener> {
        let tls = tls.map(|tls| Arc::clone(&tls.0));
        let address = address.parse().map_err(raise)?;
        let opened = match handler {
            Handler::Balancer(balancer) => {
                let source = Arc::new(balancer::Served(Arc::clone(&balancer.0)));
                py.detach(|| listener::Listener::open(&self.0, &address, &source, tls))
            }
            Handler::Cache(cache) => {
                let source = Arc::new(cache::Served(Arc::clone(&cache.0)));
                py.detach(|| listener::Listener::open(&self.0, &address, &source, tls))
            }
            Handler::Ingest(ingest) => {
                let source = Arc::new(ingest::Served(Arc::clone(&ingest.0)));
                py.detach(|| listener::Listener::open(&self.0, &address, &source, tls))
            }
            Handler::Logs(logs) => {
                let source = Arc::new(logs::Served(Arc::clone(&logs.0)));
                py.detach(|| listener::Listener::open(&self.0, &address, &source, tls))
            }
            Handler::Syslog(syslog) => {
                let syslog = Arc::clone(&syslog.0);
                let speak = move |thread: &_| syslog.speaker(thread);
                py.detach(|| listener::Listener::open_for(&self.0, &address, speak, tls))
            }
        };
        opened.map(Listener).map_err(raise)
    }

    #[pyo3(signature = (server, address, *, tls = None, path = "/ping", timeout = 5.0))]
    fn probe(
        &self,
        server: String,
        address: &str,
        tls: Option<PyRef<'_, ClientTls>>,
        path: &str,
        timeout: f64,
    ) -> PyResult<()> {
        let probe = balancer::Probe {
            server,
            address: address.parse().map_err(raise)?,
            tls: tls.map(|tls| tls.0.clone()),
            path: path.to_owned(),
            timeout: seconds("timeout", timeout)?,
        };
        balancer::probe(&self.0, probe).map_err(raise)
    }

    fn events(&self, py: Python<'_>, timeout: f64) -> PyResult<Vec<Event>> {
        let timeout = seconds("timeout", timeout)?;
        let events = py.detach(|| self.0.shared().events.take(timeout));
        Ok(events.into_iter().map(Event::from).collect())
    }

    fn wake(&self) {
        self.0.shared().events.wake();
    }

    fn counters(&self, py: Python<'_>) -> PyResult<Counters> {
        Counters::read(py, &self.0)
    }

    fn stop(&self, py: Python<'_>, drain: f64) -> PyResult<bool> {
        let drain = seconds("drain", drain)?;
        Ok(py.detach(|| self.0.stop(drain)))
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Listener(listener::Listener);

#[pymethods]
impl Listener {
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    fn set_tls(&self, tls: &Tls) -> PyResult<()> {
        self.0.set_tls(Arc::clone(&tls.0)).map_err(raise)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}
