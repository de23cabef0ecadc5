//! The log server and its options; and that for syslog.

use std::{path::PathBuf, sync::Arc};

use headrace_core::{
    error::Error,
    intake,
    logs::{self, Options, line::Format, reading::Reading, syslog},
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    errors::{raise, seconds},
    journal::Journal,
};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct LogOptions(Options);

#[pymethods]
impl LogOptions {
    #[new]
    #[pyo3(signature = (
        *,
        tokens = Vec::new(),
        max_ahead = 10.0,
        max_length = 4_194_304,
        max_reading = 268_435_456,
        window = 600.0,
        max_keys = 1_000_000
    ), text_signature = "(*, tokens=(), max_ahead=10.0, max_length=4194304, max_reading=268435456, window=600.0, \
        max_keys=1000000)")]
    fn new(
        tokens: Vec<String>,
        max_ahead: f64,
        max_length: usize,
        max_reading: usize,
        window: f64,
        max_keys: usize,
    ) -> PyResult<Self> {
        if max_length == 0 || max_reading < max_length {
            return Err(PyValueError::new_err(
                "max_length must be at least 1, and max_reading at least max_length",
            ));
        }
        Ok(Self(Options {
            tokens,
            max_ahead: seconds("max_ahead", max_ahead)?,
            intake: intake::Options {
                max_length,
                max_reading,
                window: seconds("window", window)?,
                max_keys,
            },
        }))
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct LogServer(pub(crate) Arc<logs::Logs>);

#[pymethods]
impl LogServer {
    #[new]
    #[pyo3(
        signature = (journal, options = None, *, file = None, line = None),
        text_signature = "(journal, options=None, *, file=None, line=None)"
    )]
    fn new(
        py: Python<'_>,
        journal: &Journal,
        options: Option<PyRef<'_, LogOptions>>,
        file: Option<PathBuf>,
        line: Option<&str>,
    ) -> PyResult<Self> {
        let options = options.map_or_else(Options::default, |options| options.0.clone());
        let format = line.map_or(Ok(Format::default()), Format::parse);
        let format = format.map_err(PyValueError::new_err)?;
        let reading = file.map(|file| Reading::new(file, format)).transpose();
        let reading = reading.map_err(|error| raise(Error::Engine(format!("no thread can be started: {error}"))))?;
        let journal = Arc::clone(&journal.inner);
        Ok(Self(py.detach(|| logs::Logs::new(journal, options, reading))))
    }

    fn set_retry_after(&self, after: f64) -> PyResult<()> {
        self.0.set_retry_after(seconds("after", after)?);
        Ok(())
    }
}

/// More than any message, and little enough for a record of the journal whatever becomes of it.
const MAX_MESSAGE: usize = 4 << 20;

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct SyslogServer(pub(crate) Arc<syslog::Syslog>);

#[pymethods]
impl SyslogServer {
    #[new]
    #[pyo3(
        signature = (logs, *, networks, max_message = 65536),
        text_signature = "(logs, *, networks, max_message=65536)"
    )]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn new(logs: &LogServer, networks: Vec<String>, max_message: usize) -> PyResult<Self> {
        if !(1..=MAX_MESSAGE).contains(&max_message) {
            return Err(PyValueError::new_err(format!(
                "max_message must be from 1 to {MAX_MESSAGE}"
            )));
        }
        let from = networks.iter().map(|network| network.parse().map_err(raise));
        let options = syslog::Options {
            from: from.collect::<PyResult<_>>()?,
            max_message,
        };
        Ok(Self(syslog::Syslog::new(Arc::clone(&logs.0), options)))
    }

    fn set_utc_offset(&self, seconds: i32) {
        self.0.set_utc_offset(seconds);
    }
}
