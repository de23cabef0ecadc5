//! What a journal holds, in pieces: payloads counted or read, ranges that are about to land.

use headrace_core::journal;
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList, PyRange},
};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Span(pub(crate) journal::Span);

#[pymethods]
impl Span {
    #[getter]
    fn stream(&self) -> u16 {
        self.0.stream
    }

    #[getter]
    fn time(&self) -> u64 {
        self.0.time
    }

    #[getter]
    fn first(&self) -> u64 {
        self.0.first
    }

    #[getter]
    fn last(&self) -> u64 {
        self.0.last
    }

    #[getter]
    fn count(&self) -> u64 {
        self.0.count
    }

    #[getter]
    fn size(&self) -> u64 {
        self.0.size
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Slice(pub(crate) journal::Slice);

#[pymethods]
impl Slice {
    #[getter]
    fn stream(&self) -> u16 {
        self.0.stream
    }

    #[getter]
    fn time(&self) -> u64 {
        self.0.time
    }

    #[getter]
    fn first(&self) -> u64 {
        self.0.first()
    }

    #[getter]
    fn last(&self) -> u64 {
        self.0.last()
    }

    #[getter]
    fn count(&self) -> usize {
        self.0.count()
    }

    #[getter]
    fn size(&self) -> usize {
        self.0.lines.len()
    }

    /// A range where there are no gaps, as with a single stream: a list of half a million numbers takes megabytes.
    #[getter]
    fn numbers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (first, last) = (self.0.first(), self.0.last());
        let whole = last - first + 1 == self.0.count() as u64;
        match (isize::try_from(first), isize::try_from(last + 1)) {
            (Ok(start), Ok(stop)) if whole => Ok(PyRange::new(py, start, stop)?.into_any()),
            _ => {
                let numbers: Vec<_> = self.0.payloads().map(|payload| payload.number).collect();
                Ok(PyList::new(py, numbers)?.into_any())
            }
        }
    }

    #[getter]
    fn lines<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.lines)
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Seal(pub(crate) journal::Seal);

#[pymethods]
impl Seal {
    #[getter]
    fn id(&self) -> u64 {
        self.0.id
    }

    #[getter]
    fn stream(&self) -> u16 {
        self.0.range.stream
    }

    #[getter]
    fn first(&self) -> u64 {
        self.0.range.first
    }

    #[getter]
    fn last(&self) -> u64 {
        self.0.range.last
    }

    #[getter]
    fn count(&self) -> u64 {
        self.0.count
    }

    #[getter]
    fn note<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.note)
    }
}
