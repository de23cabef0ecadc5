//! Single objects: many payloads go over in one call, and none of them becomes an object of Python's unless it is refused.

use headrace_core::{
    client::Patience,
    uploads::{self, Naming, Options, Run, Store},
};
use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyBytes};

use crate::errors::{raise, seconds};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Objects(uploads::Objects<PyBackedBytes>);

#[pymethods]
impl Objects {
    #[new]
    #[pyo3(signature = (runs, *, before, digits, after))]
    fn new(runs: Vec<(Vec<u64>, PyBackedBytes)>, before: String, digits: usize, after: String) -> Self {
        let runs = runs.into_iter().map(|(numbers, lines)| Run { numbers, lines });
        let naming = Naming { before, digits, after };
        Self(uploads::Objects::new(runs.collect(), &naming))
    }

    fn stop(&self) {
        self.0.stop();
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Refused(uploads::Refused);

#[pymethods]
impl Refused {
    #[getter]
    fn number(&self) -> u64 {
        self.0.number
    }

    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.payload)
    }

    #[getter]
    fn status(&self) -> Option<u16> {
        self.0.status
    }

    #[getter]
    fn text(&self) -> &str {
        &self.0.text
    }

    #[getter]
    fn retry_after(&self) -> Option<f64> {
        self.0.retry_after.map(|pause| pause.as_secs_f64())
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct ObjectStore(Store);

#[pymethods]
impl ObjectStore {
    #[new]
    #[pyo3(signature = (
        url, *, region, access_key, secret_key, ca = None, connect = 5.0, read = 120.0
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn new(
        py: Python<'_>,
        url: String,
        region: String,
        access_key: String,
        secret_key: String,
        ca: Option<String>,
        connect: f64,
        read: f64,
    ) -> PyResult<Self> {
        let options = Options {
            url,
            ca,
            region,
            access_key,
            secret_key,
            patience: Patience {
                connect: seconds("connect", connect)?,
                read: seconds("read", read)?,
                ..Patience::default()
            },
        };
        py.detach(|| Store::new(options)).map(Self).map_err(raise)
    }

    #[pyo3(signature = (objects, *, create))]
    fn upload(&self, py: Python<'_>, objects: &Objects, create: bool) -> Option<Refused> {
        py.detach(|| self.0.upload(&objects.0, create)).map(Refused)
    }
}
