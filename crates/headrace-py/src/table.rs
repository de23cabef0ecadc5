//! The routing table's parts, each checked as it is made.

use headrace_core::balancer::{Policy, RouteSpec, ServerSpec, ServiceSpec, TableSpec};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{errors::raise, tls::ClientTls};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Server(ServerSpec);

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (id, address, *, tls = None, weight = 1, capacity = 0))]
    fn new(
        id: String,
        address: &str,
        tls: Option<PyRef<'_, ClientTls>>,
        weight: u32,
        capacity: usize,
    ) -> PyResult<Self> {
        let server = ServerSpec {
            id,
            address: address.parse().map_err(raise)?,
            tls: tls.map(|tls| tls.0.clone()),
            weight,
            capacity,
        };
        server.checked().map(Self).map_err(raise)
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Service(ServiceSpec);

fn policy(name: &str) -> PyResult<Policy> {
    match name {
        "round-robin" => Ok(Policy::RoundRobin),
        "least-loaded" => Ok(Policy::LeastLoaded),
        _ => Err(PyValueError::new_err(format!(
            "{name:?} is no policy; it is round-robin or least-loaded"
        ))),
    }
}

#[pymethods]
impl Service {
    #[new]
    #[pyo3(signature = (name, servers, *, policy = "round-robin", hold = false))]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn new(name: String, servers: Vec<PyRef<'_, Server>>, policy: &str, hold: bool) -> PyResult<Self> {
        Ok(Self(ServiceSpec {
            name,
            servers: servers.iter().map(|server| server.0.clone()).collect(),
            policy: self::policy(policy)?,
            hold,
        }))
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Route(RouteSpec);

#[pymethods]
impl Route {
    #[new]
    #[pyo3(signature = (service, *, host = "", path = "/", max_body = 0, cached = false, compressed = false))]
    fn new(service: String, host: &str, path: &str, max_body: u64, cached: bool, compressed: bool) -> Self {
        Self(RouteSpec {
            service,
            host: host.to_owned(),
            path: path.to_owned(),
            max_body,
            cached,
            compressed,
        })
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct RoutingTable(pub(crate) TableSpec);

#[pymethods]
impl RoutingTable {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn new(services: Vec<PyRef<'_, Service>>, routes: Vec<PyRef<'_, Route>>) -> PyResult<Self> {
        let services = services.iter().map(|service| service.0.clone()).collect();
        let routes = routes.iter().map(|route| route.0.clone()).collect();
        TableSpec::new(services, routes).map(Self).map_err(raise)
    }
}
