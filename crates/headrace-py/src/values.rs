//! What a store has, as Python objects.
//!
//! Decoding is most of what a hit costs. So plain data is decoded once and then copied: each caller has dicts and lists of
//! its own at every depth, and shares what cannot be changed.
//!
//! Invariants
//! - what is kept is handed out by nobody: neither the object that was decoded nor a container in it;
//! - it stands for one version of an entry, and is used only when the store has just given that version as fresh;
//! - its encoded forms have at most [`MOST`] bytes in all. What is gone from the store goes with the next look for its key,
//!   or when there is no room and others are asked for;
//! - no lock is held while Python objects are made, for that may run any code (finalizers), and let go of the GIL.
//!
//! Given up: copies of objects other than plain data. Where one is met, the values are decoded for each caller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headrace_core::cache::{self, Hit};
use pyo3::{
    prelude::*,
    types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString},
};

use crate::store::{Store, name};

/// Encoded bytes of what is kept decoded.
const MOST: usize = 1 << 20;
/// Of one value.
const LARGEST: usize = MOST / 16;
/// Containers within containers.
const DEPTH: usize = 16;
/// How often all that is kept is turned away for, before room is made: decoding them anew must be the smaller part.
const PATIENCE: usize = 8;

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Values {
    store: Arc<cache::Store>,
    loads: Py<PyAny>,
    missing: Py<PyAny>,
    /// None: each caller gets what is decoded for it.
    originals: Option<Mutex<Originals>>,
}

#[pymethods]
impl Values {
    #[new]
    #[pyo3(signature = (store, loads, missing, *, plain))]
    fn new(store: &Store, loads: Py<PyAny>, missing: Py<PyAny>, plain: bool) -> Self {
        Self {
            store: Arc::clone(&store.inner),
            loads,
            missing,
            originals: plain.then(Mutex::default),
        }
    }

    #[pyo3(signature = (key, /))]
    fn get<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, key) = (key.py(), name(key)?);
        let Some(hit) = self.store.get(key).filter(|hit| !hit.fresh_for.is_zero()) else {
            if let Some(mut originals) = self.originals() {
                originals.forget(key);
            }
            return Ok(self.missing.bind(py).clone());
        };
        let original = self.originals().and_then(|originals| originals.find(key, hit.version));
        match original {
            Some(original) => original.copy(py),
            None => Ok(self.decoded(py, key, &hit)),
        }
    }
}

impl Values {
    fn decoded<'py>(&self, py: Python<'py>, key: &[u8], hit: &Hit) -> Bound<'py, PyAny> {
        // Whoever asks finds out by itself why it could not be read.
        let Ok(value) = self.loads.bind(py).call1((PyBytes::new(py, &hit.value),)) else {
            return self.missing.bind(py).clone();
        };
        if self.originals().is_some_and(|mut originals| originals.wants(hit)) {
            let original = Original::of(&value, DEPTH).ok().flatten();
            if let Some(mut originals) = self.originals() {
                originals.keep(key, hit, original);
            }
        }
        value
    }

    fn originals(&self) -> Option<MutexGuard<'_, Originals>> {
        let originals = self.originals.as_ref()?;
        Some(originals.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was decoded, by key.
#[derive(Default)]
struct Originals {
    kept: HashMap<Box<[u8]>, Kept>,
    bytes: usize,
    turned_away: usize,
    /// A value was no plain data; the others will hardly be.
    ended: bool,
}

struct Kept {
    version: u64,
    bytes: usize,
    original: Arc<Original>,
}

impl Originals {
    fn find(&self, key: &[u8], version: u64) -> Option<Arc<Original>> {
        let kept = self.kept.get(key).filter(|kept| kept.version == version)?;
        Some(Arc::clone(&kept.original))
    }

    /// Whether there is room; where there was none for long, all of it is made free.
    fn wants(&mut self, hit: &Hit) -> bool {
        if self.ended || hit.value.len() > LARGEST {
            return false;
        }
        if self.bytes + hit.value.len() <= MOST {
            return true;
        }
        self.turned_away += 1;
        if self.turned_away > self.kept.len() * PATIENCE {
            *self = Self::default();
        }
        false
    }

    fn keep(&mut self, key: &[u8], hit: &Hit, original: Option<Original>) {
        self.forget(key);
        let Some(original) = original else {
            *self = Self {
                ended: true,
                ..Self::default()
            };
            return;
        };
        let bytes = hit.value.len() + key.len();
        self.bytes += bytes;
        let kept = Kept {
            version: hit.version,
            bytes,
            original: Arc::new(original),
        };
        self.kept.insert(key.into(), kept);
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(gone) = self.kept.remove(key) {
            self.bytes -= gone.bytes;
        }
    }
}

/// Plain data to make copies of. Containers have None in the places of containers, which come with their places.
enum Original {
    Shared(Py<PyAny>),
    Dict(Py<PyDict>, Vec<(Py<PyAny>, Original)>),
    List(Py<PyList>, Vec<(usize, Original)>),
}

impl Original {
    /// None: it is no plain data.
    fn of(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Option<Self>> {
        if is_constant(value) {
            return Ok(Some(Self::Shared(value.clone().unbind())));
        }
        if depth == 0 {
            return Ok(None);
        }
        if let Ok(dict) = value.cast_exact::<PyDict>() {
            return Self::of_dict(dict, depth);
        }
        match value.cast_exact::<PyList>() {
            Ok(list) => Self::of_list(list, depth),
            Err(_) => Ok(None),
        }
    }

    fn of_dict(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Option<Self>> {
        let (own, mut inner) = (dict.copy()?, Vec::new());
        for (key, value) in dict.iter() {
            match Self::of(&value, depth - 1)? {
                Some(Self::Shared(_)) if is_constant(&key) => {}
                Some(original) if is_constant(&key) => {
                    own.set_item(&key, dict.py().None())?;
                    inner.push((key.unbind(), original));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(Self::Dict(own.unbind(), inner)))
    }

    fn of_list(list: &Bound<'_, PyList>, depth: usize) -> PyResult<Option<Self>> {
        let (own, mut inner) = (list.get_slice(0, list.len()), Vec::new());
        for (at, value) in list.iter().enumerate() {
            match Self::of(&value, depth - 1)? {
                Some(Self::Shared(_)) => {}
                Some(original) => {
                    own.set_item(at, list.py().None())?;
                    inner.push((at, original));
                }
                None => return Ok(None),
            }
        }
        Ok(Some(Self::List(own.unbind(), inner)))
    }

    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Shared(value) => Ok(value.bind(py).clone()),
            Self::Dict(own, inner) => {
                let copy = own.bind(py).copy()?;
                for (key, original) in inner {
                    copy.set_item(key, original.copy(py)?)?;
                }
                Ok(copy.into_any())
            }
            Self::List(own, inner) => {
                let own = own.bind(py);
                let copy = own.get_slice(0, own.len());
                for (at, original) in inner {
                    copy.set_item(*at, original.copy(py)?)?;
                }
                Ok(copy.into_any())
            }
        }
    }
}

/// Whether nothing can change it.
fn is_constant(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyBytes>()
}
