//! Certificates, read and checked when they are named.

use std::sync::Arc;

use headrace_core::net::tls;
use pyo3::prelude::*;

use crate::errors::raise;

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Tls(pub(crate) Arc<tls::ServerConfig>);

#[pymethods]
impl Tls {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn new(certificates: Vec<(String, String)>) -> PyResult<Self> {
        tls::server(&certificates).map(Self).map_err(raise)
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct ClientTls(pub(crate) tls::ClientTls);

#[pymethods]
impl ClientTls {
    #[new]
    #[pyo3(signature = (ca, *, server_name = None))]
    fn new(ca: &str, server_name: Option<&str>) -> PyResult<Self> {
        tls::ClientTls::new(ca, server_name).map(Self).map_err(raise)
    }
}
