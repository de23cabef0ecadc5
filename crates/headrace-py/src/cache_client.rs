//! The client of a cache server, for threads and for event loops.

use std::{
    os::fd::AsRawFd,
    sync::{Mutex, PoisonError},
};

use headrace_core::cache::client::{self, Answer, By, Call, Completed, Failure, Flow, Life, batch};
use pyo3::{
    IntoPyObjectExt,
    exceptions::{PyConnectionError, PyPermissionError, PyValueError},
    intern,
    prelude::*,
    types::{PyBytes, PyDict},
};

use crate::errors::{raise, seconds};

/// What a call is, as far as its answer is concerned.
#[derive(Clone)]
enum Kind {
    Get,
    GetMany(Vec<String>),
    Set,
    SetMany(usize),
    Delete,
    Invalidate,
    Lease(String),
    GiveUp,
}

fn error(failure: &Failure) -> PyErr {
    let message = failure.to_string();
    match failure {
        Failure::Away(_) | Failure::Open => PyConnectionError::new_err(message),
        Failure::Denied(_) => PyPermissionError::new_err(message),
        Failure::Refused(_) => PyValueError::new_err(message),
    }
}

/// An answer as Python has it.
fn told(py: Python<'_>, kind: &Kind, answer: Answer) -> PyResult<Py<PyAny>> {
    match kind {
        Kind::Get => found(py, answer).into_py_any(py),
        Kind::Set => (!matches!(answer.status, 409 | 412)).into_py_any(py),
        Kind::Delete => (answer.status != 404).into_py_any(py),
        Kind::Invalidate => answer.invalidated().into_py_any(py),
        Kind::Lease(_) => {
            let granted = answer.granted().map(str::to_owned);
            (found(py, answer), granted).into_py_any(py)
        }
        Kind::GiveUp => Ok(py.None()),
        Kind::GetMany(keys) => all_found(py, keys, answer),
        Kind::SetMany(count) => {
            let replies = batch::replies(answer.body, *count).map_err(|failure| error(&failure))?;
            let refused = replies.iter().filter(|one| one.status >= 400).count();
            (replies.len() - refused).into_py_any(py)
        }
    }
}

type Found<'py> = (Bound<'py, PyBytes>, f64, f64, f64, u64, Option<Vec<String>>);

fn found(py: Python<'_>, answer: Answer) -> Option<Found<'_>> {
    (answer.status == 200).then(|| {
        let value = PyBytes::new(py, &answer.body);
        (
            value,
            answer.age,
            answer.max_age,
            answer.stale,
            answer.version,
            answer.tags,
        )
    })
}

fn all_found(py: Python<'_>, keys: &[String], answer: Answer) -> PyResult<Py<PyAny>> {
    let replies = batch::replies(answer.body, keys.len()).map_err(|failure| error(&failure))?;
    let all = PyDict::new(py);
    for (key, one) in keys.iter().zip(replies).filter(|(_, one)| one.status == 200) {
        let version = one.version();
        let value = PyBytes::new(py, &one.value);
        all.set_item(key, (value, one.age, one.max_age, one.stale, version, one.tags))?;
    }
    all.into_py_any(py)
}

fn life(ttl: f64, stale: f64) -> PyResult<Life> {
    Ok(Life {
        fresh: seconds("ttl", ttl)?,
        stale: seconds("stale", stale)?,
    })
}

fn by<'a>(key: Option<&'a str>, tag: Option<&'a str>, prefix: Option<&'a str>) -> PyResult<By<'a>> {
    match (key, tag, prefix) {
        (Some(key), None, None) => Ok(By::Key(key)),
        (None, Some(tag), None) => Ok(By::Tag(tag)),
        (None, None, Some(prefix)) => Ok(By::Prefix(prefix)),
        _ => Err(PyValueError::new_err("invalidate one of key, tag and prefix")),
    }
}

fn lease(key: &str, hold: f64, wait: f64, with_tags: bool) -> PyResult<Call<'_>> {
    Ok(Call::Lease {
        key,
        hold: seconds("seconds", hold)?,
        wait: seconds("wait", wait)?,
        with_tags,
    })
}

fn texts(tags: &[String]) -> Vec<&str> {
    tags.iter().map(String::as_str).collect()
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct CacheClient {
    inner: client::CacheClient,
    with_tags: bool,
}

#[pymethods]
impl CacheClient {
    #[new]
    #[pyo3(signature = (url, *, token = "", ca = None, timeout = 0.25, with_tags = false))]
    fn new(url: &str, token: &str, ca: Option<&str>, timeout: f64, with_tags: bool) -> PyResult<Self> {
        let timeout = seconds("timeout", timeout)?;
        let inner = client::CacheClient::new(url, token, ca, timeout).map_err(raise)?;
        Ok(Self { inner, with_tags })
    }

    fn is_located(&self) -> bool {
        self.inner.is_located()
    }

    fn locate(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.locate()).map_err(|failure| error(&failure))
    }

    #[pyo3(signature = (key, /))]
    fn get<'py>(&self, py: Python<'py>, key: &str) -> PyResult<Option<Found<'py>>> {
        let with_tags = self.with_tags;
        let answer = py.detach(|| self.inner.call(&Call::Get { key, with_tags }));
        Ok(found(py, answer.map_err(|failure| error(&failure))?))
    }

    #[pyo3(signature = (keys, /))]
    fn get_many(&self, py: Python<'_>, keys: Vec<String>) -> PyResult<Py<PyAny>> {
        let body = batch::gets(&texts(&keys), self.with_tags);
        self.call(py, &Kind::GetMany(keys), &Call::Batch(&body))
    }

    #[pyo3(signature = (key, value, ttl, stale, tags, lease, over, /))]
    #[expect(clippy::too_many_arguments, reason = "they are named where Python calls")]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn set(
        &self,
        py: Python<'_>,
        key: &str,
        value: &[u8],
        ttl: f64,
        stale: f64,
        tags: Vec<String>,
        lease: Option<&str>,
        over: Option<u64>,
    ) -> PyResult<Py<PyAny>> {
        let (life, tags) = (life(ttl, stale)?, &texts(&tags)[..]);
        let call = Call::Set {
            key,
            value,
            life,
            tags,
            lease,
            over,
        };
        self.call(py, &Kind::Set, &call)
    }

    #[pyo3(signature = (values, ttl, stale, tags, /))]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn set_many(
        &self,
        py: Python<'_>,
        values: Vec<(String, Bound<'_, PyBytes>)>,
        ttl: f64,
        stale: f64,
        tags: Vec<String>,
    ) -> PyResult<Py<PyAny>> {
        let body = sets(&values, life(ttl, stale)?, &tags);
        self.call(py, &Kind::SetMany(values.len()), &Call::Batch(&body))
    }

    #[pyo3(signature = (key, /))]
    fn delete(&self, py: Python<'_>, key: &str) -> PyResult<Py<PyAny>> {
        self.call(py, &Kind::Delete, &Call::Delete { key })
    }

    #[pyo3(signature = (key, tag, prefix, soft, /))]
    fn invalidate(
        &self,
        py: Python<'_>,
        key: Option<&str>,
        tag: Option<&str>,
        prefix: Option<&str>,
        soft: bool,
    ) -> PyResult<Py<PyAny>> {
        let by = by(key, tag, prefix)?;
        self.call(py, &Kind::Invalidate, &Call::Invalidate { by, soft })
    }

    #[pyo3(signature = (key, hold, wait, /))]
    fn lease(&self, py: Python<'_>, key: &str, hold: f64, wait: f64) -> PyResult<Py<PyAny>> {
        let call = lease(key, hold, wait, self.with_tags)?;
        self.call(py, &Kind::Lease(String::new()), &call)
    }

    #[pyo3(signature = (key, id, /))]
    fn give_up(&self, py: Python<'_>, key: &str, id: &str) -> PyResult<Py<PyAny>> {
        self.call(py, &Kind::GiveUp, &Call::GiveUp { key, id })
    }
}

impl CacheClient {
    fn call(&self, py: Python<'_>, kind: &Kind, call: &Call<'_>) -> PyResult<Py<PyAny>> {
        let answer = py.detach(|| self.inner.call(call));
        told(py, kind, answer.map_err(|failure| error(&failure))?)
    }
}

fn sets(values: &[(String, Bound<'_, PyBytes>)], life: Life, tags: &[String]) -> Vec<u8> {
    let values: Vec<_> = values
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_bytes()))
        .collect();
    batch::sets(&values, life, &texts(tags))
}

/// The future of a call; None for one whose answer nobody waits for.
type Token = (Option<Py<PyAny>>, Kind);

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct CacheFlow {
    inner: Mutex<Flow<Token>>,
    with_tags: bool,
}

#[pymethods]
impl CacheFlow {
    #[new]
    #[pyo3(signature = (client, /))]
    fn new(client: &CacheClient) -> PyResult<Self> {
        Ok(Self {
            inner: Mutex::new(Flow::new(client.inner.clone())?),
            with_tags: client.with_tags,
        })
    }

    fn fileno(&self) -> i32 {
        self.flow().fd().as_raw_fd()
    }

    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let completed = self.flow().drain();
        self.complete(py, completed)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let completed = self.flow().close();
        self.complete(py, completed)
    }

    #[pyo3(signature = (future, key, /))]
    fn get(&self, future: Py<PyAny>, key: &str) -> PyResult<()> {
        let with_tags = self.with_tags;
        self.submit(future, Kind::Get, &Call::Get { key, with_tags })
    }

    #[pyo3(signature = (future, keys, /))]
    fn get_many(&self, future: Py<PyAny>, keys: Vec<String>) -> PyResult<()> {
        let body = batch::gets(&texts(&keys), self.with_tags);
        self.submit(future, Kind::GetMany(keys), &Call::Batch(&body))
    }

    #[pyo3(signature = (future, key, value, ttl, stale, tags, lease, over, /))]
    #[expect(clippy::too_many_arguments, reason = "they are named where Python calls")]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn set(
        &self,
        future: Py<PyAny>,
        key: &str,
        value: &[u8],
        ttl: f64,
        stale: f64,
        tags: Vec<String>,
        lease: Option<&str>,
        over: Option<u64>,
    ) -> PyResult<()> {
        let (life, tags) = (life(ttl, stale)?, &texts(&tags)[..]);
        let call = Call::Set {
            key,
            value,
            life,
            tags,
            lease,
            over,
        };
        self.submit(future, Kind::Set, &call)
    }

    #[pyo3(signature = (future, values, ttl, stale, tags, /))]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn set_many(
        &self,
        future: Py<PyAny>,
        values: Vec<(String, Bound<'_, PyBytes>)>,
        ttl: f64,
        stale: f64,
        tags: Vec<String>,
    ) -> PyResult<()> {
        let body = sets(&values, life(ttl, stale)?, &tags);
        self.submit(future, Kind::SetMany(values.len()), &Call::Batch(&body))
    }

    #[pyo3(signature = (future, key, /))]
    fn delete(&self, future: Py<PyAny>, key: &str) -> PyResult<()> {
        self.submit(future, Kind::Delete, &Call::Delete { key })
    }

    #[pyo3(signature = (future, key, tag, prefix, soft, /))]
    fn invalidate(
        &self,
        future: Py<PyAny>,
        key: Option<&str>,
        tag: Option<&str>,
        prefix: Option<&str>,
        soft: bool,
    ) -> PyResult<()> {
        let by = by(key, tag, prefix)?;
        self.submit(future, Kind::Invalidate, &Call::Invalidate { by, soft })
    }

    #[pyo3(signature = (future, key, hold, wait, /))]
    fn lease(&self, future: Py<PyAny>, key: &str, hold: f64, wait: f64) -> PyResult<()> {
        let call = lease(key, hold, wait, self.with_tags)?;
        self.submit(future, Kind::Lease(key.to_owned()), &call)
    }

    #[pyo3(signature = (future, key, id, /))]
    fn give_up(&self, future: Option<Py<PyAny>>, key: &str, id: &str) -> PyResult<()> {
        let taken = self.flow().submit((future, Kind::GiveUp), &Call::GiveUp { key, id });
        taken.map_err(|failure| error(&failure))
    }
}

impl CacheFlow {
    fn flow(&self) -> std::sync::MutexGuard<'_, Flow<Token>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, future: Py<PyAny>, kind: Kind, call: &Call<'_>) -> PyResult<()> {
        let taken = self.flow().submit((Some(future), kind), call);
        taken.map_err(|failure| error(&failure))
    }

    fn complete(&self, py: Python<'_>, completed: Vec<Completed<Token>>) -> PyResult<()> {
        for ((future, kind), answer) in completed {
            match future {
                None => {}
                Some(future) if future.call_method0(py, intern!(py, "done"))?.is_truthy(py)? => {
                    self.unwanted(&kind, answer);
                }
                Some(future) => match answer
                    .map_err(|failure| error(&failure))
                    .and_then(|it| told(py, &kind, it))
                {
                    Ok(told) => drop(future.call_method1(py, intern!(py, "set_result"), (told,))?),
                    Err(error) => drop(future.call_method1(py, intern!(py, "set_exception"), (error,))?),
                },
            }
        }
        Ok(())
    }

    /// A lease for a caller that was cancelled goes to the next one.
    fn unwanted(&self, kind: &Kind, answer: Result<Answer, Failure>) {
        if let (Kind::Lease(key), Ok(answer)) = (kind, answer)
            && let Some(id) = answer.granted()
        {
            let _ = self.flow().submit((None, Kind::GiveUp), &Call::GiveUp { key, id });
        }
    }
}
