//! The cache's store: called by caches within a process, and handed to the services that stand on it.
//!
//! Calls that take a moment keep the GIL: letting go of it would cost more than they do. The janitor never takes it.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use headrace_core::cache::{self, Hit, Leased, Lifetime, New, Options, Stored};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBytes, PyString},
};

use crate::errors::{raise, seconds};

/// Value, age, fresh for, stale for, version.
type Found<'py> = (Bound<'py, PyBytes>, f64, f64, f64, u64);

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Store {
    pub(crate) inner: Arc<cache::Store>,
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (*, max_bytes = 268_435_456, max_value = 0, shards = 0),
        text_signature = "(*, max_bytes=268435456, max_value=0, shards=0)")]
    fn new(max_bytes: u64, max_value: u64, shards: usize) -> Self {
        let options = Options {
            max_bytes,
            max_value,
            shards,
            ..Options::default()
        };
        Self {
            inner: cache::Store::new(options),
        }
    }

    #[pyo3(signature = (key, /))]
    fn get<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Found<'py>>> {
        let hit = self.inner.get(name(key)?);
        Ok(hit.map(|hit| found(key.py(), &hit)))
    }

    #[pyo3(signature = (key, value, fresh, stale = 0.0, tags = Vec::new(), *, lease = 0, over = None, meta = b"".as_slice()),
        text_signature = "($self, key, value, fresh, stale=0.0, tags=(), *, lease=0, over=None, meta=b\"\")")]
    #[expect(clippy::too_many_arguments, reason = "most of them are left out in Python")]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn set(
        &self,
        key: &Bound<'_, PyAny>,
        value: &[u8],
        fresh: f64,
        stale: f64,
        tags: Vec<String>,
        lease: u64,
        over: Option<u64>,
        meta: &[u8],
    ) -> PyResult<bool> {
        let tags: Vec<&[u8]> = tags.iter().map(String::as_bytes).collect();
        let new = New {
            key: name(key)?,
            value,
            meta,
            life: Lifetime {
                fresh: seconds("fresh", fresh)?,
                stale: seconds("stale", stale)?,
            },
            tags: &tags,
            lease: (lease != 0).then_some(lease),
            over,
            ..New::default()
        };
        match self.inner.set(new) {
            Stored::Yes(_) => Ok(true),
            Stored::LeaseLost => Ok(false),
            Stored::TooLarge => Err(PyValueError::new_err(format!(
                "a value of {} bytes is more than the store takes",
                value.len()
            ))),
        }
    }

    fn lease<'py>(&self, key: &Bound<'py, PyAny>, seconds: f64) -> PyResult<(Option<Found<'py>>, u64)> {
        let time = crate::errors::seconds("seconds", seconds)?;
        let told = |hit: Option<Hit>| hit.map(|hit| found(key.py(), &hit));
        Ok(match self.inner.lease(name(key)?, time) {
            Leased::Hit(hit) => (told(Some(hit)), 0),
            Leased::Granted { lease, stale } => (told(stale), lease),
            Leased::Held { stale } => (told(stale), 0),
        })
    }

    fn wait(&self, key: &Bound<'_, PyAny>, timeout: f64) -> PyResult<bool> {
        let timeout = seconds("timeout", timeout)?;
        let waiting = self.inner.wait(name(key)?);
        Ok(key.py().detach(|| waiting.block(timeout)))
    }

    #[pyo3(signature = (key, /))]
    fn lease_left(&self, key: &Bound<'_, PyAny>) -> PyResult<f64> {
        Ok(self.inner.lease_left(name(key)?).as_secs_f64())
    }

    fn give_up(&self, key: &Bound<'_, PyAny>, lease: u64) -> PyResult<()> {
        self.inner.give_up(name(key)?, lease);
        Ok(())
    }

    #[pyo3(signature = (key, *, soft = false))]
    fn remove(&self, key: &Bound<'_, PyAny>, soft: bool) -> PyResult<bool> {
        Ok(self.inner.remove(name(key)?, soft))
    }

    #[pyo3(signature = (tag, *, soft = false))]
    fn invalidate_tag(&self, tag: &Bound<'_, PyAny>, soft: bool) -> PyResult<u64> {
        Ok(self.inner.invalidate_tag(name(tag)?, soft))
    }

    #[pyo3(signature = (prefix, *, soft = false))]
    fn invalidate_prefix(&self, prefix: &Bound<'_, PyAny>, soft: bool) -> PyResult<u64> {
        let py = prefix.py();
        let prefix = name(prefix)?;
        Ok(py.detach(|| self.inner.invalidate_prefix(prefix, soft)))
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<u64> {
        Ok(py.detach(|| self.inner.save(&path))?)
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn load(&self, py: Python<'_>, path: PathBuf) -> PyResult<u64> {
        py.detach(|| self.inner.load(&path)).map_err(raise)
    }

    fn stats(&self) -> HashMap<&'static str, u64> {
        let stats = self.inner.stats();
        [
            ("entries", stats.entries),
            ("bytes", stats.bytes),
            ("max_bytes", stats.max_bytes),
            ("hits", stats.hits),
            ("misses", stats.misses),
            ("stale_hits", stats.stale_hits),
            ("sets", stats.sets),
            ("evictions", stats.evictions),
            ("expirations", stats.expirations),
            ("invalidations", stats.invalidations),
            ("leases", stats.leases),
            ("refused", stats.refused),
        ]
        .into()
    }
}

/// A key or tag: bytes, or text as UTF-8.
pub(crate) fn name<'a>(key: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    if let Ok(text) = key.cast::<PyString>() {
        return Ok(text.to_str()?.as_bytes());
    }
    match key.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes()),
        Err(_) => Err(PyTypeError::new_err("keys and tags are str or bytes")),
    }
}

fn found<'py>(py: Python<'py>, hit: &Hit) -> Found<'py> {
    (
        PyBytes::new(py, &hit.value),
        hit.age.as_secs_f64(),
        hit.fresh_for.as_secs_f64(),
        hit.stale_for.as_secs_f64(),
        hit.version,
    )
}
