//! The log file.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use headrace_core::{
    journal::disk::RealDisk,
    logs::{
        self,
        file::{Options, Status},
        line::Format,
    },
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    errors::{raise, seconds},
    journal::Journal,
};

/// What waits is in memory, twice while it is written: more is a mistake.
const MAX_WINDOW_BYTES: usize = 1 << 31;

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct LogFile(pub(crate) Arc<logs::LogFile>);

#[pymethods]
impl LogFile {
    #[new]
    #[pyo3(signature = (
        journal,
        path,
        *,
        checkpoint,
        line = "{time};{level};{source};{message}",
        window = 2.0,
        window_bytes = 268_435_456,
        rotate_bytes = 104_857_600
    ), text_signature = "(journal, path, *, checkpoint, line=\"{time};{level};{source};{message}\", window=2.0, \
        window_bytes=268435456, rotate_bytes=104857600)")]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn new(
        py: Python<'_>,
        journal: &Journal,
        path: PathBuf,
        checkpoint: PathBuf,
        line: &str,
        window: f64,
        window_bytes: usize,
        rotate_bytes: u64,
    ) -> PyResult<Self> {
        if !(1..=MAX_WINDOW_BYTES).contains(&window_bytes) || rotate_bytes == 0 {
            return Err(PyValueError::new_err(format!(
                "window_bytes must be from 1 to {MAX_WINDOW_BYTES}, and rotate_bytes at least 1"
            )));
        }
        let options = Options {
            format: Format::parse(line).map_err(PyValueError::new_err)?,
            window: seconds("window", window)?,
            window_bytes,
            rotate_bytes,
        };
        let journal = Arc::clone(&journal.inner);
        let open = || logs::LogFile::open(journal, &path, &checkpoint, options, Arc::new(RealDisk));
        Ok(Self(Arc::new(py.detach(open).map_err(raise)?)))
    }

    fn status(&self) -> LogFileStatus {
        LogFileStatus(self.0.status())
    }

    fn close(&self, py: Python<'_>, drain: f64) -> PyResult<()> {
        let drain = seconds("drain", drain)?;
        py.detach(|| self.0.close(drain));
        Ok(())
    }
}

#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
pub(crate) fn compress_log(py: Python<'_>, path: PathBuf) -> PyResult<PathBuf> {
    Ok(py.detach(|| logs::seekable::compress(&path))?)
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct LogFileStatus(Status);

#[pymethods]
impl LogFileStatus {
    #[getter]
    fn fault(&self) -> &str {
        &self.0.fault
    }

    #[getter]
    fn waiting(&self) -> usize {
        self.0.waiting
    }

    #[getter]
    fn waiting_bytes(&self) -> usize {
        self.0.waiting_bytes
    }

    #[getter]
    fn length(&self) -> u64 {
        self.0.length
    }

    #[getter]
    fn counts(&self) -> HashMap<&'static str, u64> {
        let counts = &self.0.counts;
        [
            ("lines", counts.lines),
            ("late", counts.late),
            ("bytes", counts.bytes),
            ("unreadable", counts.unreadable),
            ("flushes", counts.flushes),
            ("rotations", counts.rotations),
            ("failures", counts.failures),
        ]
        .into()
    }
}
