//! What of the journal is in the file, kept so that a crash at any moment loses and doubles nothing.
//!
//! A file of two slots of 512 bytes, written in turn and synced: a write that is torn leaves the one before. What a
//! checkpoint says is in the file was synced before it. After a write that failed it is not known which of the two the
//! disk will show next, so that the last good one is written once more before anything is done that belongs to it.
//!
//! | bytes of a slot | what |
//! |---|---|
//! | 8 | `hrorder\n` |
//! | 4, 4 | version, now 1; CRC-32C of the 512 bytes, itself taken as zeros |
//! | 8 | how many were written before |
//! | 8, 8, 8 | [`Position`]: next, low, floor |
//! | 24, 24 | the file and its side file: device, number, length |
//! | 8 | the time of the file's first entry |
//! | 2 and so many | the name that the file is being given, if it is |

use std::{io, path::PathBuf, sync::Arc};

use super::window::Position;
use crate::{
    error::Error,
    journal::disk::{Disk, File},
};

const MAGIC: &[u8; 8] = b"hrorder\n";
const VERSION: u32 = 1;
/// A sector, which disks write whole.
const SLOT: usize = 512;
/// Where the name begins.
const NAME: usize = 106;
/// The longest name of a rotated file, in bytes.
pub(super) const MAX_NAME: usize = 255;

/// A file and how long it was.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Zeros: there is none.
    pub(super) identity: (u64, u64),
    pub(super) length: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) position: Position,
    pub(super) main: Extent,
    pub(super) side: Extent,
    /// The time of the first entry in the file, nanoseconds since 1970; none where it is empty or not known.
    pub(super) first: Option<i64>,
    /// What the file is being renamed to; empty while it is not.
    pub(super) rotating: String,
}

impl Checkpoint {
    /// Nothing is in the file of what has a number from `low` on.
    pub(super) fn nothing(low: u64) -> Self {
        Self {
            position: Position {
                next: low,
                low,
                floor: i64::MIN,
            },
            main: Extent::default(),
            side: Extent::default(),
            first: None,
            rotating: String::new(),
        }
    }

    fn encode(&self, sequence: u64) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        let (main, side) = (self.main, self.side);
        let name = &self.rotating.as_bytes()[..self.rotating.len().min(MAX_NAME)];
        slot[..8].copy_from_slice(MAGIC);
        slot[8..12].copy_from_slice(&VERSION.to_le_bytes());
        for (place, number) in [
            sequence,
            self.position.next,
            self.position.low,
            self.position.floor.cast_unsigned(),
            main.identity.0,
            main.identity.1,
            main.length,
            side.identity.0,
            side.identity.1,
            side.length,
            self.first.unwrap_or(i64::MIN).cast_unsigned(),
        ]
        .into_iter()
        .enumerate()
        {
            slot[16 + 8 * place..24 + 8 * place].copy_from_slice(&number.to_le_bytes());
        }
        slot[NAME - 2..NAME].copy_from_slice(&(name.len() as u16).to_le_bytes());
        slot[NAME..NAME + name.len()].copy_from_slice(name);
        let crc = crc32c::crc32c(&slot);
        slot[12..16].copy_from_slice(&crc.to_le_bytes());
        slot
    }

    /// What a slot says, and how many were written before; none where it was torn.
    fn decode(slot: &[u8; SLOT]) -> Option<Result<(u64, Self), u32>> {
        let mut blank = *slot;
        blank[12..16].fill(0);
        let number = |place: usize| u64::from_le_bytes(*slot[16 + 8 * place..].first_chunk().unwrap_or(&[0; 8]));
        let short = |at: usize| u32::from_le_bytes(*slot[at..].first_chunk().unwrap_or(&[0; 4]));
        if slot.first_chunk() != Some(MAGIC) || crc32c::crc32c(&blank) != short(12) {
            return None;
        }
        if short(8) != VERSION {
            return Some(Err(short(8)));
        }
        let length = usize::from(u16::from_le_bytes([slot[NAME - 2], slot[NAME - 1]]));
        let extent = |place| Extent {
            identity: (number(place), number(place + 1)),
            length: number(place + 2),
        };
        let checkpoint = Self {
            position: Position {
                next: number(1),
                low: number(2),
                floor: number(3).cast_signed(),
            },
            main: extent(4),
            side: extent(7),
            first: Some(number(10).cast_signed()).filter(|time| *time != i64::MIN),
            rotating: String::from_utf8_lossy(slot.get(NAME..NAME + length)?).into_owned(),
        };
        Some(Ok((number(0), checkpoint)))
    }
}

/// The file of checkpoints.
#[derive(Debug)]
pub(super) struct Checkpoints {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Option<Box<dyn File>>,
    /// How many were written.
    sequence: u64,
    /// What the latest good one says.
    latest: Checkpoint,
    /// Whether the disk is known to have it.
    certain: bool,
}

impl Checkpoints {
    /// Reads the latest checkpoint at `path`; where there is none that is whole, `otherwise` is the latest.
    ///
    /// Fails when another version made it and when it cannot be read.
    pub(super) fn open(disk: Arc<dyn Disk>, path: PathBuf, otherwise: Checkpoint) -> Result<Self, Error> {
        let wrong = |why: String| Error::Journal(format!("{} cannot be used: {why}", path.display()));
        let slots = read(&*disk, &path).map_err(|error| wrong(error.to_string()))?;
        let mut known = Vec::new();
        for slot in slots.iter().filter_map(Checkpoint::decode) {
            known.push(slot.map_err(|version| wrong(format!("version {version} of headrace made it")))?);
        }
        let latest = known.into_iter().max_by_key(|(sequence, _)| *sequence);
        let (sequence, latest) = latest.map_or((0, otherwise), |(sequence, latest)| (sequence + 1, latest));
        Ok(Self {
            disk,
            path,
            file: None,
            sequence,
            latest,
            certain: false,
        })
    }

    /// Forgets where it stands in the journal: this is another one.
    pub(super) fn begin_again(&mut self, position: Position) {
        self.latest.position = position;
        self.certain = false;
    }

    pub(super) fn latest(&self) -> &Checkpoint {
        &self.latest
    }

    /// The latest, if the disk is known to have it.
    pub(super) fn certain(&self) -> Option<&Checkpoint> {
        self.certain.then_some(&self.latest)
    }

    /// Makes sure that the disk has the latest: what was read may be in memory only, and what failed may be there.
    pub(super) fn ensure(&mut self) -> io::Result<()> {
        if self.certain {
            return Ok(());
        }
        self.write(self.latest.clone())
    }

    /// Makes `checkpoint` the latest. After an error the one before is, and `ensure` must succeed before anything else.
    pub(super) fn write(&mut self, checkpoint: Checkpoint) -> io::Result<()> {
        self.certain = false;
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open_file()?,
        };
        let slot = checkpoint.encode(self.sequence);
        file.write_at(&slot, self.sequence % 2 * SLOT as u64)?;
        file.sync()?;
        self.file = Some(file);
        self.sequence += 1;
        self.latest = checkpoint;
        self.certain = true;
        Ok(())
    }

    fn open_file(&self) -> io::Result<Box<dyn File>> {
        let file = match self.disk.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.create(&self.path)?,
            opened => opened?,
        };
        // One that is there, too: it may have been made when its name could not be made safe.
        self.disk.sync_folder(super::output::folder_of(&self.path))?;
        Ok(file)
    }
}

/// Both slots, zeros where the file has none.
fn read(disk: &dyn Disk, path: &std::path::Path) -> io::Result<[[u8; SLOT]; 2]> {
    let mut slots = [[0; SLOT]; 2];
    match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => {
            let file = opened?;
            for (place, slot) in slots.iter_mut().enumerate() {
                file.read_at(slot, (place * SLOT) as u64)?;
            }
        }
    }
    Ok(slots)
}
