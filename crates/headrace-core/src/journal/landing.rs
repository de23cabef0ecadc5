//! The consumer's side of a journal: what is about to land, what has landed.

use std::{
    io,
    sync::{MutexGuard, PoisonError},
};

use super::{
    Journal,
    backlog::Range,
    seals::{Place, Seal, Seals},
    state::Shared,
};
use crate::error::Error;

/// The longest note of a consumer, in bytes.
const MAX_NOTE: usize = 64 << 10;

impl Journal {
    /// Notes, safely, that the open payloads of `range` are about to land; `note` is what it takes to do the same again.
    ///
    /// Fails when a payload of `range` is sealed already or none waits, when the disk cannot keep the note, and when the
    /// journal is closed.
    pub fn seal(&self, range: Range, note: &[u8]) -> Result<Seal, Error> {
        if note.len() > MAX_NOTE {
            return Err(Error::Journal(format!(
                "a note has at most {MAX_NOTE} bytes, not {}",
                note.len()
            )));
        }
        let mut seals = self.shared.open_seals()?;
        let count = self
            .shared
            .state()
            .backlog
            .sealable(range)
            .map_err(|why| wrong_range(range, why))?;
        let seal = Seal {
            id: 0,
            range,
            count,
            note: note.to_vec(),
        };
        let seal = seals
            .seal(&self.shared.place(), seal, || self.shared.waiting())
            .map_err(|error| self.unkept(&error))?;
        self.shared.state().backlog.seal(range, seal.id);
        Ok(seal)
    }

    /// Notes, safely, that what was sealed as `id` has landed; how many payloads that were. Their segments may go.
    pub fn landed(&self, id: u64) -> Result<u64, Error> {
        let mut seals = self.shared.open_seals()?;
        let seal = seals
            .landed(&self.shared.place(), id, || self.shared.waiting())
            .map_err(|error| self.unkept(&error))?
            .ok_or_else(|| Error::Journal(format!("nothing that waits is sealed as {id}")))?;
        let mut state = self.shared.state();
        let count = state.backlog.land(seal.range, id);
        state.counts.landed += count;
        state.count_pinned();
        state.landed = true;
        state.rouse(&self.shared.work);
        drop(state);
        let listeners = self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(|listener| listener());
        Ok(count)
    }

    /// What was sealed and has not landed, oldest first. After a restart: what to land once more, to the same place.
    pub fn sealed(&self) -> Vec<Seal> {
        self.shared.seals().standing.values().cloned().collect()
    }

    fn unkept(&self, error: &io::Error) -> Error {
        let path = self.shared.place().path();
        Error::Journal(format!("{} cannot be written: {error}", path.display()))
    }
}

impl Shared {
    pub(super) fn seals(&self) -> MutexGuard<'_, Seals> {
        self.seals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, as long as the folder is this journal's.
    fn open_seals(&self) -> Result<MutexGuard<'_, Seals>, Error> {
        let seals = self.seals();
        if self.state().closing {
            return Err(Error::Journal("the journal is closed".to_owned()));
        }
        Ok(seals)
    }

    fn place(&self) -> Place<'_> {
        Place {
            disk: &*self.disk,
            folder: &self.folder,
            options: &self.options,
        }
    }

    /// The number after all that is safe, and what of it has not landed.
    fn waiting(&self) -> (u64, Vec<Range>) {
        let state = self.state();
        (state.safe + 1, state.backlog.all().collect())
    }
}

fn wrong_range(Range { stream, first, last }: Range, why: &str) -> Error {
    Error::Journal(format!("{first} to {last} of stream {stream} cannot be sealed: {why}"))
}
