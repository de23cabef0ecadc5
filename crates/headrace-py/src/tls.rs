//! Certificates, read and checked when they are named, and a TLS connection for an event loop of Python's.

use std::sync::Arc;

use headrace_core::{
    error::Error,
    net::{session::Session, tls},
};
use pyo3::{prelude::*, types::PyBytes};

use crate::errors::raise;

/// From this many bytes on, other threads may run meanwhile: below, getting the GIL back costs more than the cipher.
const LARGE: usize = 65_536;

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Tls(pub(crate) Arc<tls::ServerConfig>);

#[pymethods]
impl Tls {
    #[new]
    #[pyo3(signature = (certificates, *, http2 = true))]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn new(certificates: Vec<(String, String)>, http2: bool) -> PyResult<Self> {
        tls::server(&certificates, http2).map(Self).map_err(raise)
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

#[pyclass(module = "headrace._core")]
pub(crate) struct TlsSession(Session);

/// Plaintext, what is to be sent, and whether that was the end.
type Received<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, bool);

#[pymethods]
impl TlsSession {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn new(tls: PyRef<'_, Tls>) -> PyResult<Self> {
        Session::new(&tls.0).map(Self).map_err(raise)
    }

    #[getter]
    fn handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    fn receive<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Received<'py>> {
        let session = &mut self.0;
        // A handshake signs.
        let received = run(py, session.is_handshaking() || data.len() >= LARGE, || {
            session.receive(data)
        })?;
        let (plaintext, reply) = (PyBytes::new(py, &received.plaintext), PyBytes::new(py, &received.reply));
        Ok((plaintext, reply, received.ended))
    }

    fn send<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let session = &mut self.0;
        let ciphertext = run(py, data.len() >= LARGE, || session.send(data))?;
        Ok(PyBytes::new(py, &ciphertext))
    }

    fn close<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.close().map_err(raise)?))
    }
}

fn run<T: Send>(py: Python<'_>, long: bool, work: impl FnOnce() -> Result<T, Error> + Send) -> PyResult<T> {
    match long {
        true => py.detach(work),
        false => work(),
    }
    .map_err(raise)
}
