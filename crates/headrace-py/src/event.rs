//! Events of the engine as small frozen objects.

use headrace_core::engine;
use pyo3::prelude::*;

#[pyclass(frozen, get_all, module = "headrace._core")]
pub(crate) struct Event {
    kind: &'static str,
    server: String,
    ok: bool,
    detail: String,
    seconds: f64,
}

impl From<engine::Event> for Event {
    fn from(event: engine::Event) -> Self {
        match event {
            engine::Event::Drained { server } => Self {
                kind: "drained",
                server,
                ok: true,
                detail: String::new(),
                seconds: 0.0,
            },
            engine::Event::Probe { server, outcome, took } => Self {
                kind: "probe",
                server,
                ok: outcome.is_ok(),
                detail: outcome.err().unwrap_or_default(),
                seconds: took.as_secs_f64(),
            },
            engine::Event::Listener { ok, detail } => Self {
                kind: "listener",
                server: String::new(),
                ok,
                detail,
                seconds: 0.0,
            },
        }
    }
}

#[pymethods]
impl Event {
    fn __repr__(&self) -> String {
        let Self {
            kind,
            server,
            ok,
            detail,
            ..
        } = self;
        format!("Event(kind={kind:?}, server={server:?}, ok={ok}, detail={detail:?})")
    }
}
