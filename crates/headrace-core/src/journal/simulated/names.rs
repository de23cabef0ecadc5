//! Which names mean which files, on the disk and as seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::Random;

#[derive(Debug, Clone)]
enum Change {
    Bind(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Unbind(PathBuf),
}

#[derive(Debug, Default)]
pub(super) struct Names {
    safe: BTreeMap<PathBuf, u64>,
    seen: BTreeMap<PathBuf, u64>,
    pending: Vec<Change>,
}

impl Names {
    pub(super) fn file(&self, path: &Path) -> Option<u64> {
        self.seen.get(path).copied()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.seen.keys()
    }

    pub(super) fn files(&self) -> BTreeSet<u64> {
        self.seen.values().copied().collect()
    }

    pub(super) fn bind(&mut self, path: &Path, file: u64) {
        self.change(Change::Bind(path.to_owned(), file));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, file: u64) {
        self.change(Change::Rename(from.to_owned(), to.to_owned(), file));
    }

    pub(super) fn unbind(&mut self, path: &Path) {
        self.change(Change::Unbind(path.to_owned()));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.pending.clear();
        self.safe.clone_from(&self.seen);
    }

    /// The power goes: each change that was not safe has happened or not.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.pending) {
            if random.once_in(2) {
                change.apply(&mut self.safe);
            }
        }
        self.seen.clone_from(&self.safe);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Bind(path, file) => drop(names.insert(path.clone(), *file)),
            Self::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Unbind(path) => drop(names.remove(path)),
        }
    }
}
