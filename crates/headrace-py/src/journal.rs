//! The journal as consumers in Python see it: ranges to land, and how it does.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use headrace_core::{
    error::Error,
    journal::{self, Failure, Health, Options, Query, Range, Reader, Record, Refused, disk::RealDisk},
};
use pyo3::prelude::*;

use crate::{
    errors::{raise, seconds},
    packing::{Packed, packer},
    slices::{Seal, Slice, Span},
};

/// Readers that stand where one ended are kept: the next range begins there.
const MOST_READERS: usize = 8;

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct Journal {
    pub(crate) inner: Arc<journal::Journal>,
    readers: Mutex<Vec<Reader>>,
    recovery: journal::Recovery,
}

#[pymethods]
impl Journal {
    #[new]
    #[pyo3(signature = (
        folder,
        *,
        node = "local".to_owned(),
        segment_bytes = 67_108_864,
        max_bytes = 8_589_934_592,
        max_payloads = 10_000_000,
        reserve_bytes = 268_435_456,
        retain = 0.0
    ), text_signature = "(folder, *, node=\"local\", segment_bytes=67108864, max_bytes=8589934592, \
        max_payloads=10000000, reserve_bytes=268435456, retain=0.0)")]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn new(
        py: Python<'_>,
        folder: PathBuf,
        node: String,
        segment_bytes: u64,
        max_bytes: u64,
        max_payloads: u64,
        reserve_bytes: u64,
        retain: f64,
    ) -> PyResult<Self> {
        let options = Options {
            node,
            segment_bytes,
            max_bytes,
            max_payloads,
            reserve_bytes,
            retain: seconds("retain", retain)?,
            ..Options::default()
        };
        let open = || journal::Journal::open(&folder, options, Arc::new(RealDisk));
        let (journal, recovery) = py.detach(open).map_err(raise)?;
        Ok(Self {
            inner: Arc::new(journal),
            readers: Mutex::default(),
            recovery,
        })
    }

    /// What was found at the start that is not as it should be, in words; empty when all was well.
    #[getter]
    fn damage(&self) -> Vec<String> {
        let told = |damage: &journal::Damage| {
            let copy = match damage.copy.as_str() {
                "" => "there was no room for a copy".to_owned(),
                copy => format!("a copy is {copy}"),
            };
            format!(
                "{}: {} bytes in {} places are no whole records any more; {copy}",
                damage.file, damage.bytes, damage.holes
            )
        };
        self.recovery.damaged.iter().map(told).collect()
    }

    /// Bytes of a last write that was cut short.
    #[getter]
    fn torn(&self) -> u64 {
        self.recovery.torn
    }

    #[pyo3(signature = (payloads, *, stream = 0))]
    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn append(&self, py: Python<'_>, payloads: Vec<Vec<u8>>, stream: u16) -> PyResult<(u64, u64)> {
        let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let record = Record {
            stream,
            key: None,
            payloads: &payloads,
        };
        let appended = py.detach(|| self.inner.append_and_wait(&[record]));
        let appended = appended.map_err(|refused| raise(Error::Journal(refusal(refused).to_owned())))?;
        let appended = appended.map_err(|failure| raise(Error::Journal(failed(failure).to_owned())))?;
        Ok((appended.first, appended.last))
    }

    #[pyo3(signature = (first, *, max_payloads, max_bytes, span = 0.0))]
    fn open_from(
        &self,
        py: Python<'_>,
        first: u64,
        max_payloads: u64,
        max_bytes: usize,
        span: f64,
    ) -> PyResult<Vec<Slice>> {
        let query = open(max_payloads, max_bytes, span)?;
        let slices = self.reading(py, first, |reader| reader.read(&query))?;
        Ok(slices.into_iter().map(Slice).collect())
    }

    #[pyo3(signature = (first, *, max_payloads, max_bytes, span = 0.0))]
    fn survey(
        &self,
        py: Python<'_>,
        first: u64,
        max_payloads: u64,
        max_bytes: usize,
        span: f64,
    ) -> PyResult<Vec<Span>> {
        let query = open(max_payloads, max_bytes, span)?;
        let spans = self.reading(py, first, |reader| reader.survey(&query))?;
        Ok(spans.into_iter().map(Span).collect())
    }

    fn read(&self, py: Python<'_>, stream: u16, first: u64, last: u64) -> PyResult<Vec<Slice>> {
        let query = Query {
            max_payloads: u64::MAX,
            max_bytes: usize::MAX,
            last,
            stream: Some(stream),
            ..Query::default()
        };
        let slices = self.reading(py, first, |reader| reader.read(&query))?;
        Ok(slices.into_iter().map(Slice).collect())
    }

    #[pyo3(signature = (stream, first, last, coding, *, level = 0))]
    fn pack(&self, py: Python<'_>, stream: u16, first: u64, last: u64, coding: &str, level: u32) -> PyResult<Packed> {
        let mut packer = packer(coding, level)?;
        let read = |reader: &mut Reader| {
            reader.pack(stream, last, &mut packer)?;
            packer.finish()
        };
        self.reading(py, first, read).map(Packed)
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python's arguments are owned")]
    fn seal(&self, py: Python<'_>, stream: u16, first: u64, last: u64, note: Vec<u8>) -> PyResult<Seal> {
        let range = Range { stream, first, last };
        py.detach(|| self.inner.seal(range, &note)).map(Seal).map_err(raise)
    }

    fn landed(&self, py: Python<'_>, id: u64) -> PyResult<u64> {
        py.detach(|| self.inner.landed(id)).map_err(raise)
    }

    fn sealed(&self) -> Vec<Seal> {
        self.inner.sealed().into_iter().map(Seal).collect()
    }

    fn wait(&self, py: Python<'_>, number: u64, timeout: f64) -> PyResult<bool> {
        let timeout = seconds("timeout", timeout)?;
        Ok(py.detach(|| self.inner.wait(number, timeout)))
    }

    fn status(&self) -> JournalStatus {
        JournalStatus(self.inner.status())
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.close());
    }
}

impl Journal {
    fn reading<T: Send>(
        &self,
        py: Python<'_>,
        first: u64,
        read: impl FnOnce(&mut Reader) -> std::io::Result<T> + Send,
    ) -> PyResult<T> {
        let read = || {
            let mut reader = self.reader(first);
            let found = read(&mut reader)?;
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() == MOST_READERS {
                readers.remove(0);
            }
            readers.push(reader);
            Ok(found)
        };
        py.detach(read)
            .map_err(|error: std::io::Error| raise(Error::Journal(format!("the journal cannot be read: {error}"))))
    }

    fn reader(&self, first: u64) -> Reader {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        match readers.iter().position(|reader| reader.position() == first) {
            Some(index) => readers.swap_remove(index),
            None => self.inner.reader(first),
        }
    }
}

/// What is neither sealed nor landed.
fn open(max_payloads: u64, max_bytes: usize, span: f64) -> PyResult<Query> {
    Ok(Query {
        max_payloads,
        max_bytes,
        open: true,
        span: seconds("span", span)?,
        ..Query::default()
    })
}

fn refusal(refused: Refused) -> &'static str {
    match refused {
        Refused::Full => "the journal is full: as much waits to be landed as may",
        Refused::DiskFull => "the journal's disk is full",
        Refused::TooLarge => "more than one record can hold",
        Refused::Stopped => "the journal is closed",
        Refused::Failed => "the journal's disk failed",
    }
}

fn failed(failure: Failure) -> &'static str {
    match failure {
        Failure::DiskFull => "the journal's disk is full",
        Failure::Failed => "the journal's disk failed",
    }
}

#[pyclass(frozen, module = "headrace._core")]
pub(crate) struct JournalStatus(journal::Status);

#[pymethods]
impl JournalStatus {
    #[getter]
    fn health(&self) -> (&'static str, &str) {
        match &self.0.health {
            Health::Good => ("good", ""),
            Health::DiskFull(why) => ("disk full", why),
            Health::Failed(why) => ("failed", why),
        }
    }

    #[getter]
    fn next(&self) -> u64 {
        self.0.next
    }

    #[getter]
    fn unlanded(&self) -> u64 {
        self.0.unlanded
    }

    #[getter]
    fn oldest(&self) -> Option<u64> {
        self.0.oldest
    }

    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes
    }

    #[getter]
    fn segments(&self) -> usize {
        self.0.segments
    }

    #[getter]
    fn counts(&self) -> std::collections::HashMap<&'static str, u64> {
        let counts = &self.0.counts;
        [
            ("appended", counts.appended),
            ("written", counts.written),
            ("syncs", counts.syncs),
            ("landed", counts.landed),
            ("refused_full", counts.refused_full),
            ("refused_disk_full", counts.refused_disk_full),
            ("refused_stopped", counts.refused_stopped),
            ("refused_too_large", counts.refused_too_large),
            ("failures", counts.failures),
            ("failed", counts.failed),
            ("holes", counts.holes),
        ]
        .into()
    }
}
