//! A journal whose writer does its work when it is told to, so that a test has a single thread and an order of its own.

use std::{path::Path, sync::Arc};

use super::{
    super::{Journal, Options, writer::Writer},
    SimulatedDisk,
};
use crate::error::Error;

pub(crate) struct SteppedJournal {
    pub(crate) journal: Arc<Journal>,
    writer: Writer,
}

impl SteppedJournal {
    pub(crate) fn open(folder: &Path, options: Options, disk: &SimulatedDisk) -> Result<Self, Error> {
        let (journal, writer, _) = Journal::assemble(folder, options, Arc::new(disk.clone()))?;
        let journal = Arc::new(journal);
        Ok(Self { journal, writer })
    }

    /// Writes what was appended.
    pub(crate) fn write(&mut self) {
        self.writer.round();
    }
}
