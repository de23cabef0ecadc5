//! One file: what is safe, what a reader sees, and what leads from the one to the other.

use super::Random;

/// Disks write so many bytes whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Change {
    Write { position: u64, bytes: Vec<u8> },
    Length(u64),
}

#[derive(Debug, Default)]
pub(super) struct Content {
    safe: Vec<u8>,
    seen: Vec<u8>,
    pending: Vec<Change>,
}

impl Content {
    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn write(&mut self, position: u64, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.change(Change::Write { position, bytes });
    }

    pub(super) fn set_length(&mut self, length: u64) {
        self.change(Change::Length(length));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// Not simply all that is seen becomes safe: what an earlier sync failed to write is never written.
    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.safe);
        }
    }

    /// A sync that fails, or the power: any part of what was not safe becomes safe, and the rest never does.
    pub(super) fn settle(&mut self, random: &mut Random) {
        let mood = random.below(4);
        for change in std::mem::take(&mut self.pending) {
            for piece in change.pieces() {
                if mood == 0 || (mood > 1 && random.once_in(2)) {
                    piece.apply(&mut self.safe);
                }
            }
        }
    }

    /// What is in memory is gone.
    pub(super) fn forget(&mut self) {
        self.seen.clone_from(&self.safe);
    }

    /// Changes one bit of what is written, on the disk and in memory. Room that was set aside holds nothing to harm.
    pub(super) fn flip_a_bit(&mut self, random: &mut Random) -> bool {
        let Some(last) = self.seen.iter().rposition(|byte| *byte != 0) else {
            return false;
        };
        let place = random.below(last as u64 + 1) as usize;
        let bit = 1 << random.below(8);
        for bytes in [&mut self.seen, &mut self.safe] {
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= bit;
            }
        }
        true
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length as usize, 0),
            Self::Write { position, bytes: new } => {
                let start = *position as usize;
                let end = start + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[start..end].copy_from_slice(new);
            }
        }
    }

    /// A write as the sectors it consists of.
    fn pieces(self) -> Vec<Self> {
        let Self::Write { position, bytes } = self else {
            return vec![self];
        };
        let (mut position, mut rest) = (position, &bytes[..]);
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (sector, later) = rest.split_at((SECTOR - position as usize % SECTOR).min(rest.len()));
            let bytes = sector.to_vec();
            pieces.push(Self::Write { position, bytes });
            position += sector.len() as u64;
            rest = later;
        }
        pieces
    }
}
