//! The ingest server and its options.

use std::sync::Arc;

use headrace_core::{
    ingest::{self, Ack, Options},
    intake,
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{errors::seconds, journal::Journal};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct IngestOptions(Options);

#[pymethods]
impl IngestOptions {
    #[new]
    #[pyo3(signature = (
        *,
        streams = None,
        tokens = Vec::new(),
        max_length = 1_048_576,
        max_reading = 268_435_456,
        ack = "disk",
        landing_timeout = 60.0,
        window = 600.0,
        max_keys = 1_000_000
    ), text_signature = "(*, streams=None, tokens=(), max_length=1048576, max_reading=268435456, ack=\"disk\", \
        landing_timeout=60.0, window=600.0, max_keys=1000000)")]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn new(
        streams: Option<Vec<(String, u16)>>,
        tokens: Vec<String>,
        max_length: usize,
        max_reading: usize,
        ack: &str,
        landing_timeout: f64,
        window: f64,
        max_keys: usize,
    ) -> PyResult<Self> {
        let streams = streams.unwrap_or_else(|| Options::default().streams);
        if let Some((path, _)) = streams.iter().find(|(path, _)| !path.starts_with('/')) {
            return Err(PyValueError::new_err(format!(
                "a stream's path begins with /, not {path:?}"
            )));
        }
        if max_length == 0 || max_reading < max_length {
            return Err(PyValueError::new_err(
                "max_length must be at least 1, and max_reading at least max_length",
            ));
        }
        Ok(Self(Options {
            streams,
            tokens,
            ack: parse_ack(ack)?,
            landing_timeout: seconds("landing_timeout", landing_timeout)?,
            intake: intake::Options {
                max_length,
                max_reading,
                window: seconds("window", window)?,
                max_keys,
            },
        }))
    }
}

fn parse_ack(name: &str) -> PyResult<Ack> {
    let all = [Ack::Memory, Ack::Disk, Ack::Object];
    let found = all.into_iter().find(|ack| ack.name() == name);
    found.ok_or_else(|| PyValueError::new_err(format!("ack must be memory, disk or object, not {name:?}")))
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct IngestServer(pub(crate) Arc<ingest::Ingest>);

#[pymethods]
impl IngestServer {
    #[new]
    #[pyo3(signature = (journal, options = None))]
    fn new(py: Python<'_>, journal: &Journal, options: Option<PyRef<'_, IngestOptions>>) -> Self {
        let options = options.map_or_else(Options::default, |options| options.0.clone());
        let journal = Arc::clone(&journal.inner);
        Self(py.detach(|| ingest::Ingest::new(journal, options)))
    }

    fn set_retry_after(&self, after: f64) -> PyResult<()> {
        self.0.set_retry_after(seconds("after", after)?);
        Ok(())
    }
}
