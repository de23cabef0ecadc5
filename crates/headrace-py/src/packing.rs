//! Lines as compressed objects, from a journal or from Python.

use headrace_core::{
    http::coding::Coding,
    pack::{Packed as Inner, Packer},
};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Packed(pub(crate) Inner);

#[pymethods]
impl Packed {
    #[getter]
    fn count(&self) -> u64 {
        self.0.count
    }

    #[getter]
    fn size(&self) -> u64 {
        self.0.size
    }

    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.bytes)
    }
}

#[pyfunction]
#[pyo3(signature = (lines, coding, *, level = 0))]
pub(crate) fn pack(py: Python<'_>, lines: &[u8], coding: &str, level: u32) -> PyResult<Packed> {
    let mut packer = packer(coding, level)?;
    let pack = || {
        packer.add_lines(lines)?;
        packer.finish()
    };
    Ok(Packed(py.detach(pack)?))
}

#[pyfunction]
pub(crate) fn unpack<'py>(py: Python<'py>, data: &[u8], coding: &str) -> PyResult<Bound<'py, PyBytes>> {
    let coding = named(coding)?;
    let lines = py.detach(|| coding.decode(data.into(), isize::MAX as usize));
    let lines = lines.map_err(|_| PyValueError::new_err("it is not whole, or of another coding"))?;
    Ok(PyBytes::new(py, &lines))
}

pub(crate) fn packer(coding: &str, level: u32) -> PyResult<Packer> {
    Ok(Packer::new(named(coding)?, level)?)
}

fn named(coding: &str) -> PyResult<Coding> {
    match coding {
        "identity" => Ok(Coding::Identity),
        "gzip" => Ok(Coding::Gzip),
        "zstd" => Ok(Coding::Zstd),
        _ => Err(PyValueError::new_err(format!("no coding is called {coding}"))),
    }
}
