//! Which entries of a shard have which tag, so that the memory of what a tag invalidated comes back without a search.
//!
//! A *mark* is one tag of one entry. The marks of an entry are chained; those of a tag are a ring, the newest in front. A mark
//! whose epochs are brought up to date moves to the front, so the epochs never fall from the back of a ring to its front,
//! and who sweeps a tag begins at the back and stops at the first that is up to date.

use std::{collections::HashMap, sync::Arc};

use slab::Slab;

use super::{
    entry::NONE,
    rings::Rings,
    tags::{Epochs, Named, Tag, Tags},
};

/// What a mark takes.
const MARK: u64 = 80;
/// What it takes that a shard has a tag, beside its name.
const TAG: u64 = 360;

/// The marks of a shard.
#[derive(Default)]
pub(super) struct Marks {
    all: Slab<Mark>,
    rings: Rings,
    tags: HashMap<Named, Home>,
    bytes: u64,
}

struct Mark {
    tag: Arc<Tag>,
    /// The entry; `NONE`: the anchor of a ring.
    slot: u32,
    anchor: u32,
    /// The next of the same entry.
    next: u32,
    epochs: Epochs,
    /// The tag has counted the entry.
    counted: bool,
}

/// A tag's ring in this shard.
struct Home {
    anchor: u32,
    marks: u32,
}

/// What became of an entry by its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Valid,
    /// Stale from then on.
    Soft(u64),
    Dead,
}

impl Marks {
    /// What all marks take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Marks the entry in `slot`; gives the first of its marks. A tag that is given twice counts once.
    pub(super) fn put(&mut self, tags: &Tags, slot: u32, names: &[&[u8]], counted: bool) -> u32 {
        let mut first = NONE;
        for (index, name) in names.iter().enumerate() {
            if !names[..index].contains(name) {
                first = self.mark(tags, slot, name, first, counted);
            }
        }
        first
    }

    /// The marks from `first` on are no more.
    pub(super) fn remove(&mut self, tags: &Tags, first: u32) {
        let mut mark = first;
        while mark != NONE {
            mark = self.unmark(tags, mark);
        }
    }

    /// What the tags say; with that, the marks are up to date.
    pub(super) fn judge(&mut self, first: u32) -> Verdict {
        let mut verdict = Verdict::Valid;
        let mut index = first;
        while index != NONE {
            let mark = &mut self.all[index as usize];
            let now = mark.tag.epochs();
            if now.hard != mark.epochs.hard {
                return Verdict::Dead;
            }
            if now.soft != mark.epochs.soft {
                let at = mark.tag.softened(mark.epochs.soft);
                verdict = match verdict {
                    Verdict::Soft(before) => Verdict::Soft(before.min(at)),
                    _ => Verdict::Soft(at),
                };
                mark.epochs.soft = now.soft;
                self.rings.remove(index);
                self.rings.insert(self.all[index as usize].anchor, index);
            }
            index = self.all[index as usize].next;
        }
        verdict
    }

    /// An entry whose mark of this tag is not up to date.
    pub(super) fn outdated(&self, tag: &Tag) -> Option<u32> {
        let home = self.tags.get(&*tag.name)?;
        let mark = &self.all[self.rings.oldest(home.anchor)? as usize];
        // The mark's tag, not the one asked for: that may have left, and another one come under its name.
        (mark.epochs != mark.tag.epochs()).then_some(mark.slot)
    }

    /// The names of an entry's tags.
    pub(super) fn names(&self, first: u32) -> Vec<&[u8]> {
        let known = |index: u32| (index != NONE).then(|| &self.all[index as usize]);
        let marks = std::iter::successors(known(first), |mark| known(mark.next));
        marks.map(|mark| &*mark.tag.name).collect()
    }

    fn mark(&mut self, tags: &Tags, slot: u32, name: &[u8], next: u32, counted: bool) -> u32 {
        let anchor = match self.tags.get_mut(name) {
            Some(home) => {
                home.marks += 1;
                home.anchor
            }
            None => self.settle(tags, name),
        };
        let tag = Arc::clone(&self.all[anchor as usize].tag);
        let epochs = if counted { tag.count() } else { tag.epochs() };
        let mark = self.all.insert(Mark {
            tag,
            slot,
            anchor,
            next,
            epochs,
            counted,
        }) as u32;
        self.rings.insert(anchor, mark);
        self.bytes += MARK;
        mark
    }

    fn settle(&mut self, tags: &Tags, name: &[u8]) -> u32 {
        let tag = tags.enter(name);
        let anchor = self.all.insert(Mark {
            tag: Arc::clone(&tag),
            slot: NONE,
            anchor: NONE,
            next: NONE,
            epochs: Epochs::default(),
            counted: false,
        }) as u32;
        self.rings.anchor(anchor);
        self.tags.insert(Named(tag), Home { anchor, marks: 1 });
        self.bytes += TAG + name.len() as u64;
        anchor
    }

    fn unmark(&mut self, tags: &Tags, index: u32) -> u32 {
        let mark = self.all.remove(index as usize);
        if mark.counted {
            mark.tag.discount(mark.epochs.hard);
        }
        self.rings.remove(index);
        self.bytes -= MARK;
        if let Some(home) = self.tags.get_mut(&*mark.tag.name) {
            home.marks -= 1;
            if home.marks == 0 {
                self.tags.remove(&*mark.tag.name);
                self.all.remove(mark.anchor as usize);
                self.bytes -= TAG + mark.tag.name.len() as u64;
                tags.leave(&mark.tag);
            }
        }
        mark.next
    }
}
