//! The cache server and its options.

use std::sync::Arc;

use headrace_core::{cache, error::Error};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{errors::raise, store::Store};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct CacheOptions(cache::ServerOptions);

#[pymethods]
impl CacheOptions {
    #[new]
    #[pyo3(signature = (
        *,
        tokens = Vec::new(),
        max_value = 8_388_608,
        max_batch = 33_554_432,
        max_reading = 268_435_456
    ), text_signature = "(*, tokens=(), max_value=8388608, max_batch=33554432, max_reading=268435456)")]
    fn new(tokens: Vec<String>, max_value: usize, max_batch: usize, max_reading: usize) -> PyResult<Self> {
        if max_value == 0 || max_batch == 0 || max_reading < max_value.max(max_batch) {
            return Err(PyValueError::new_err(
                "max_value and max_batch must be at least 1, and max_reading at least as much as either",
            ));
        }
        Ok(Self(cache::ServerOptions {
            tokens,
            max_value,
            max_batch,
            max_reading,
        }))
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct CacheServer(pub(crate) Arc<cache::CacheServer>);

#[pymethods]
impl CacheServer {
    #[new]
    #[pyo3(signature = (store, options = None))]
    fn new(store: &Store, options: Option<PyRef<'_, CacheOptions>>) -> PyResult<Self> {
        let options = options.map_or_else(cache::ServerOptions::default, |options| options.0.clone());
        let server = cache::CacheServer::new(Arc::clone(&store.inner), options);
        let failed = |error| raise(Error::Engine(format!("no thread can be started: {error}")));
        server.map(Self).map_err(failed)
    }
}
