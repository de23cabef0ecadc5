//! Reading requests for an event loop of Python's.

use headrace_core::http::head::{Bare, HeadLimits, Request};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList, PyString},
};

#[pyclass(module = "headrace._core")]
pub(crate) struct HeadReader(Request);

/// Method, path, query, fields.
type Head<'py> = (
    Bound<'py, PyString>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyList>,
);

#[pymethods]
impl HeadReader {
    #[new]
    fn new() -> Self {
        Self(Request::new())
    }

    fn read<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Option<Head<'py>>> {
        let Some(bare) = Bare::read(data, &HeadLimits::default(), &mut self.0) else {
            return Ok(None);
        };
        let fields = PyList::empty(py);
        for (name, value) in bare.fields() {
            let name = PyBytes::new_with(py, name.len(), |into| {
                into.copy_from_slice(name);
                into.make_ascii_lowercase();
                Ok(())
            })?;
            fields.append((name, PyBytes::new(py, value)))?;
        }
        let (path, target) = (bare.request.path(), bare.request.target());
        let query = target.get(path.len() + 1..).unwrap_or_default();
        let method = String::from_utf8_lossy(bare.request.method());
        Ok(Some((
            PyString::new(py, &method),
            PyBytes::new(py, path),
            PyBytes::new(py, query),
            fields,
        )))
    }
}
