//! What a listener bears from clients.

use headrace_core::limits::{self, HeadLimits};
use pyo3::prelude::*;

use crate::errors::{raise, seconds};

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Limits(pub(crate) limits::Limits);

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (
        *,
        header_timeout = 30.0,
        body_idle_timeout = 60.0,
        body_min_rate = 500,
        body_grace = 20.0,
        write_idle_timeout = 60.0,
        keep_alive = 75.0,
        keep_alive_http2 = 180.0,
        header_line = 8192,
        header_bytes = 32768,
        header_count = 100,
        connections = 0,
        streams = 100,
        stream_window = 65536,
        connection_window = 1_048_576,
        resets_per_second = 100,
        pings_per_second = 100,
        settings_per_second = 50,
        continuations_per_second = 20
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    fn new(
        header_timeout: f64,
        body_idle_timeout: f64,
        body_min_rate: u64,
        body_grace: f64,
        write_idle_timeout: f64,
        keep_alive: f64,
        keep_alive_http2: f64,
        header_line: usize,
        header_bytes: usize,
        header_count: usize,
        connections: usize,
        streams: u32,
        stream_window: u32,
        connection_window: u32,
        resets_per_second: u32,
        pings_per_second: u32,
        settings_per_second: u32,
        continuations_per_second: u32,
    ) -> PyResult<Self> {
        let limits = limits::Limits {
            header_timeout: seconds("header_timeout", header_timeout)?,
            body_idle_timeout: seconds("body_idle_timeout", body_idle_timeout)?,
            body_min_rate,
            body_grace: seconds("body_grace", body_grace)?,
            write_idle_timeout: seconds("write_idle_timeout", write_idle_timeout)?,
            keep_alive: seconds("keep_alive", keep_alive)?,
            keep_alive_http2: seconds("keep_alive_http2", keep_alive_http2)?,
            head: HeadLimits {
                line: header_line,
                bytes: header_bytes,
                count: header_count,
            },
            connections,
            streams,
            stream_window,
            connection_window,
            resets_per_second,
            pings_per_second,
            settings_per_second,
            continuations_per_second,
        };
        limits.checked().map(Self).map_err(raise)
    }
}
