//! Entries of one slot, and the memory they wait in.
//!
//! It is pieces of one size, which go from slots that left to those that come: whatever the rate, nothing that waits is
//! moved because more comes, and memory is asked for once. (A buffer for each slot that grew by doubling cost a third
//! of the collector's processor time at 100 MB/s, most of it in the kernel clearing pages.)

use super::{SLOT, SLOTS_OF_DAY};

const PIECE: usize = 64 << 10;
/// Pieces that are kept for later: 32 MiB, more than leaves between two looks.
const SPARE_PIECES: usize = 512;
/// Lists of keys that are kept, if they are not longer than that.
const SPARE_LISTS: usize = 32;
const SPARE_KEYS: usize = 256 << 10;

/// Where an entry is: its length, four bytes, and behind that its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// The entry's, or of a late one the last moment below the floor.
    time: i64,
    piece: u32,
    start: u32,
}

/// Entries of one slot.
#[derive(Debug)]
pub struct Slot {
    pub(super) number: i64,
    /// The lowest number in it: of the one that came first.
    pub(super) first: u64,
    pieces: Vec<Vec<u8>>,
    keys: Vec<Key>,
    /// Of the entries alone.
    bytes: usize,
}

/// What slots that left gave back.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pieces: Vec<Vec<u8>>,
    lists: Vec<Vec<Key>>,
}

impl Pool {
    pub(super) fn slot(&mut self, number: i64, first: u64) -> Slot {
        Slot {
            number,
            first,
            pieces: Vec::new(),
            keys: self.lists.pop().unwrap_or_default(),
            bytes: 0,
        }
    }

    /// An empty piece with room for so many bytes.
    fn piece(&mut self, needed: usize) -> Vec<u8> {
        let spare = if needed <= PIECE { self.pieces.pop() } else { None };
        spare.unwrap_or_else(|| Vec::with_capacity(needed.max(PIECE)))
    }

    pub(super) fn take_back(&mut self, slot: Slot) {
        let Slot { pieces, mut keys, .. } = slot;
        let usual = pieces.into_iter().filter(|piece| piece.capacity() == PIECE);
        let room = SPARE_PIECES.saturating_sub(self.pieces.len());
        self.pieces.extend(usual.take(room).map(|mut piece| {
            piece.clear();
            piece
        }));
        if self.lists.len() < SPARE_LISTS && keys.capacity() <= SPARE_KEYS {
            keys.clear();
            self.lists.push(keys);
        }
    }
}

impl Slot {
    pub(super) fn push(&mut self, time: i64, entry: &[u8], pool: &mut Pool) {
        let needed = size_of::<u32>() + entry.len();
        let full = |piece: &Vec<u8>| piece.capacity() - piece.len() < needed;
        if self.pieces.last().is_none_or(full) {
            self.pieces.push(pool.piece(needed));
        }
        let number = self.pieces.len() as u32 - 1;
        let Some(piece) = self.pieces.last_mut() else {
            return;
        };
        self.keys.push(Key {
            time,
            piece: number,
            start: piece.len() as u32,
        });
        piece.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        piece.extend_from_slice(entry);
        self.bytes += entry.len();
    }

    /// Sorts by time; of equal times the one that came first stays first.
    pub(super) fn sort(&mut self) {
        self.keys.sort_by_key(|key| key.time);
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// What it counts for against the window's bound.
    pub(super) fn size(&self) -> usize {
        self.bytes + self.keys.len() * size_of::<Key>()
    }

    /// The entries and the times by which they are sorted: of late ones it is not their own.
    pub fn entries(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.keys.iter().map(|key| (key.time, self.entry(key)))
    }

    fn entry(&self, key: &Key) -> &[u8] {
        let piece = &self.pieces[key.piece as usize][key.start as usize..];
        let (length, rest) = piece.split_first_chunk().unwrap_or((&[0; 4], &[]));
        &rest[..u32::from_le_bytes(*length) as usize]
    }

    /// The first of its times.
    pub fn time(&self) -> i64 {
        self.keys
            .first()
            .map_or(self.number.saturating_mul(SLOT), |key| key.time)
    }

    /// The first slot of the day after its own.
    pub(super) fn next_day(&self) -> i64 {
        (self.number.div_euclid(SLOTS_OF_DAY) + 1) * SLOTS_OF_DAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_all_lengths_come_back_as_they_were() {
        let mut pool = Pool::default();
        for round in 0..3_u8 {
            let mut slot = pool.slot(7, 1);
            let lengths = [0, 1, PIECE - 4, PIECE, 5, 3 * PIECE, PIECE / 2, PIECE / 2, 9];
            for (time, length) in (0..).zip(lengths) {
                slot.push(-time, &vec![round; length], &mut pool);
            }
            slot.sort();
            let found: Vec<usize> = slot.entries().map(|(_, entry)| entry.len()).collect();
            assert!(found.iter().rev().eq(&lengths));
            assert!(slot.entries().all(|(_, entry)| entry.iter().all(|byte| *byte == round)));
            assert_eq!(slot.len(), lengths.len());
            pool.take_back(slot);
        }
        assert!(!pool.pieces.is_empty());
        assert!(
            pool.pieces
                .iter()
                .all(|piece| piece.is_empty() && piece.capacity() == PIECE)
        );
    }

    #[test]
    fn what_is_kept_for_later_is_bounded() {
        let mut pool = Pool::default();
        let mut slot = pool.slot(0, 1);
        for _ in 0..SPARE_PIECES + 10 {
            slot.push(0, &vec![0; PIECE - 4], &mut pool);
        }
        pool.take_back(slot);
        assert_eq!(pool.pieces.len(), SPARE_PIECES);
    }
}
