//! Compressed files in the seekable format of zstd: frames that can be decoded one by one, and a table of them at the end.
//!
//! The table is a frame that decoders skip: for each frame its length compressed and decoded, 4 bytes each, and perhaps a
//! checksum; then their number, 4 bytes, a byte of flags and a magic number
//! (<https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md>).

use std::{
    fs::File,
    io::{Error, ErrorKind, Result},
    os::unix::fs::FileExt,
};

const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
const FOOTER: usize = 9;
const HEADER: usize = 8;
const HAS_CHECKSUMS: u8 = 0x80;

/// Longest frame that is decoded. Ours have a megabyte, or one line.
const MAX_FRAME: u64 = 64 << 20;

/// Where the frames of a file are. Element `n` is the start of frame `n`, the last one the end.
#[derive(Debug)]
pub(super) struct SeekTable(Vec<Start>);

#[derive(Debug, Clone, Copy, Default)]
struct Start {
    compressed: u64,
    decoded: u64,
}

impl SeekTable {
    pub(super) fn read(file: &File) -> Result<Self> {
        let length = file.metadata()?.len();
        let footer_at = length.checked_sub(FOOTER as u64).ok_or_else(no_table)?;
        let mut footer = [0; FOOTER];
        file.read_exact_at(&mut footer, footer_at)?;
        let [n0, n1, n2, n3, flags, magic @ ..] = footer;
        if u32::from_le_bytes(magic) != SEEKABLE {
            return Err(no_table());
        }
        let each = if flags & HAS_CHECKSUMS == 0 { 8 } else { 12 };
        let size = u64::from(u32::from_le_bytes([n0, n1, n2, n3])) * each;
        let table_at = footer_at.checked_sub(size + HEADER as u64).ok_or_else(no_table)?;
        let mut table = vec![0; HEADER + size as usize];
        file.read_exact_at(&mut table, table_at)?;
        let (header, entries) = table.split_at(HEADER);
        if number(header) != SKIPPABLE || u64::from(number(&header[4..])) != size + FOOTER as u64 {
            return Err(no_table());
        }
        Self::of(entries.chunks_exact(each as usize), table_at)
    }

    fn of<'a>(entries: impl Iterator<Item = &'a [u8]>, end: u64) -> Result<Self> {
        let mut at = Start::default();
        let mut starts = vec![at];
        for entry in entries {
            at.compressed += u64::from(number(entry));
            at.decoded += u64::from(number(&entry[4..]));
            starts.push(at);
        }
        match at.compressed == end {
            true => Ok(Self(starts)),
            false => Err(no_table()),
        }
    }

    pub(super) fn frames(&self) -> usize {
        self.0.len() - 1
    }

    /// The frame that has the decoded byte `at`, or the one after the last.
    pub(super) fn holding(&self, at: u64) -> usize {
        self.0.partition_point(|start| start.decoded <= at).saturating_sub(1)
    }

    /// Decodes a frame into `into`, replacing what is there. Where it begins, decoded, and how many bytes were read.
    pub(super) fn decode(&self, file: &File, frame: usize, into: &mut Vec<u8>) -> Result<(u64, u64)> {
        let [from, to] = [self.0[frame], self.0[frame + 1]];
        let (compressed, decoded) = (to.compressed - from.compressed, to.decoded - from.decoded);
        if compressed > MAX_FRAME || decoded > MAX_FRAME {
            return Err(Error::new(ErrorKind::InvalidData, "a frame is too long"));
        }
        let mut bytes = vec![0; compressed as usize];
        file.read_exact_at(&mut bytes, from.compressed)?;
        into.clear();
        into.reserve_exact(decoded as usize);
        zstd::bulk::Decompressor::new()?.decompress_to_buffer(&bytes, into)?;
        match into.len() as u64 == decoded {
            true => Ok((from.decoded, compressed)),
            false => Err(Error::new(
                ErrorKind::InvalidData,
                "a frame is not as long as the seek table says",
            )),
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn no_table() -> Error {
    Error::new(ErrorKind::InvalidData, "it has no seek table, so it cannot be searched")
}
