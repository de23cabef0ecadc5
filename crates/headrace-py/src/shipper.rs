//! The sender of log entries. `put` runs for each entry, on the thread that logs it.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use headrace_core::{
    client::Patience,
    logs::{self, Entry, ShipperOptions},
};
use pyo3::prelude::*;

use crate::errors::{raise, seconds};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct LogShipper(pub(crate) Arc<logs::LogShipper>);

#[pymethods]
impl LogShipper {
    #[new]
    #[pyo3(signature = (
        url, *, source, token = String::new(), ca = None, queue_bytes = 16_777_216, spill = None,
        spill_bytes = 67_108_864
    ), text_signature = "(url, *, source, token='', ca=None, queue_bytes=16777216, spill=None, spill_bytes=67108864)")]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        url: String,
        source: String,
        token: String,
        ca: Option<String>,
        queue_bytes: usize,
        spill: Option<PathBuf>,
        spill_bytes: u64,
    ) -> PyResult<Self> {
        let options = ShipperOptions {
            url,
            ca,
            token,
            source,
            queue_bytes,
            spill,
            spill_bytes,
            patience: Patience::default(),
        };
        let shipper = py.detach(|| logs::LogShipper::start(options)).map_err(raise)?;
        Ok(Self(Arc::new(shipper)))
    }

    #[pyo3(signature = (time, level, source, message, fields, urgent, /))]
    fn put(&self, time: f64, level: &str, source: &str, message: &str, fields: Option<&str>, urgent: bool) -> bool {
        let entry = Entry {
            time: nanoseconds(time),
            level,
            source,
            message,
            fields: fields.unwrap_or_default(),
            ..Entry::default()
        };
        self.0.put(&entry, urgent)
    }

    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let timeout = seconds("timeout", timeout)?;
        Ok(py.detach(|| self.0.flush(timeout)))
    }

    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let timeout = seconds("timeout", timeout)?;
        Ok(py.detach(|| self.0.close(timeout)))
    }

    fn counts(&self) -> HashMap<&'static str, u64> {
        let counts = self.0.counts();
        HashMap::from([
            ("put", counts.put),
            ("waiting", counts.waiting),
            ("spilled", counts.spilled),
            ("acknowledged", counts.acknowledged),
            ("refused", counts.refused),
            ("dropped", counts.dropped),
            ("adopted", counts.adopted),
        ])
    }
}

/// A float has no more than microseconds of the present time.
fn nanoseconds(time: f64) -> i64 {
    ((time * 1e6).round() as i64).saturating_mul(1000)
}
