//! Errors of the core as Python's, and Python's numbers as the core's. The one place for both.

use std::time::Duration;

use headrace_core::error::Error;
use pyo3::{
    create_exception,
    exceptions::{PyException, PyValueError},
    prelude::*,
};

create_exception!(headrace._core, CoreError, PyException, "What the core could not do.");
create_exception!(
    headrace._core,
    AddressError,
    CoreError,
    "An address that cannot be parsed, resolved or bound."
);
create_exception!(
    headrace._core,
    TlsError,
    CoreError,
    "A certificate, key or authority that does not fit."
);
create_exception!(
    headrace._core,
    TableError,
    CoreError,
    "A routing table that contradicts itself."
);
create_exception!(
    headrace._core,
    JournalError,
    CoreError,
    "A journal that cannot be opened, read or written."
);

pub(crate) fn raise(error: Error) -> PyErr {
    match error {
        Error::Address(message) => AddressError::new_err(message),
        Error::Tls(message) => TlsError::new_err(message),
        Error::Table(message) => TableError::new_err(message),
        Error::Journal(message) => JournalError::new_err(message),
        Error::Cache(message) | Error::Engine(message) => CoreError::new_err(message),
    }
}

/// A duration that Python gave in seconds.
pub(crate) fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| PyValueError::new_err(format!("{name} must be a number of seconds from 0 up, not {value}")))
}
