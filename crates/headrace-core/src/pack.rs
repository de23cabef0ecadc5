//! Lines as one compressed object, the same lines always as the same bytes.
//!
//! An upload that is repeated must write what it wrote before, so nothing but the lines, the coding and its level goes
//! in: no time, no name. The compressor gets pieces of one length, wherever one payload ends and however much was read
//! at once; what it makes of them then doesn't depend on how they came.
//!
//! Given up: bytes that stay the same over versions of the compressor. Who finds other bytes has to compare the lines.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};

use crate::http::coding::Coding;

/// What the compressor gets at once: what zstd makes a block of.
const PIECE: usize = 128 << 10;
/// Faster ones make objects a third larger, slower ones hardly smaller.
pub const GZIP_LEVEL: u32 = 2;
pub const ZSTD_LEVEL: u32 = 1;
/// zstd's window is at most 8 MiB up to here, which every reader supports (RFC 8878, 3.1.1.1.2).
pub const MAX_ZSTD_LEVEL: u32 = 19;
pub const MAX_GZIP_LEVEL: u32 = 9;
/// Room before a zstd frame for what is put into its header once the length is known.
const LENGTH: usize = 8;

/// Compresses lines as they come.
pub struct Packer {
    piece: Vec<u8>,
    size: u64,
    count: u64,
    encoder: Encoder,
}

enum Encoder {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

/// Lines as an object.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Packed {
    pub bytes: Vec<u8>,
    /// How many lines, and their bytes before.
    pub count: u64,
    pub size: u64,
}

impl Packer {
    /// `level` is one of the coding's own, 0 the usual one; one that the coding doesn't have is cut to what it has.
    pub fn new(coding: Coding, level: u32) -> io::Result<Self> {
        let encoder = match coding {
            Coding::Identity => Encoder::Plain(Vec::new()),
            Coding::Gzip => {
                let level = if level == 0 {
                    GZIP_LEVEL
                } else {
                    level.min(MAX_GZIP_LEVEL)
                };
                Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::new(level)))
            }
            Coding::Zstd => {
                let level = if level == 0 {
                    ZSTD_LEVEL
                } else {
                    level.min(MAX_ZSTD_LEVEL)
                };
                let mut encoder = zstd::stream::write::Encoder::new(vec![0; LENGTH], level.cast_signed())?;
                encoder.include_checksum(true)?;
                Encoder::Zstd(encoder)
            }
        };
        Ok(Self {
            piece: Vec::with_capacity(PIECE),
            size: 0,
            count: 0,
            encoder,
        })
    }

    /// Adds a payload and the end of its line.
    pub fn add(&mut self, payload: &[u8]) -> io::Result<()> {
        self.count += 1;
        self.write(payload)?;
        self.write(b"\n")
    }

    /// Adds whole lines.
    pub fn add_lines(&mut self, lines: &[u8]) -> io::Result<()> {
        self.count += memchr::memchr_iter(b'\n', lines).count() as u64;
        self.write(lines)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        while self.piece.len() + bytes.len() >= PIECE {
            let (now, later) = bytes.split_at(PIECE - self.piece.len());
            self.piece.extend_from_slice(now);
            self.encoder.write(&self.piece)?;
            self.piece.clear();
            bytes = later;
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<Packed> {
        self.encoder.write(&self.piece)?;
        let bytes = match self.encoder {
            Encoder::Plain(bytes) => bytes,
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => with_length(encoder.finish()?, self.size),
        };
        Ok(Packed {
            bytes,
            count: self.count,
            size: self.size,
        })
    }
}

impl Encoder {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(bytes) => bytes.write_all(piece),
            Self::Gzip(encoder) => encoder.write_all(piece),
            Self::Zstd(encoder) => encoder.write_all(piece),
        }
    }
}

/// Tells the content's length in the header of a zstd frame, behind `LENGTH` free bytes, that doesn't tell it: readers
/// that decompress in one call ask for it (RFC 8878, 3.1.1.1). The header is the magic number, the descriptor, whose
/// upper two bits say how long the length is, and the window.
fn with_length(mut bytes: Vec<u8>, size: u64) -> Vec<u8> {
    const HEADER: usize = 6;
    const EIGHT_BYTES: u8 = 0b1100_0000;
    const TOLD: u8 = 0b1110_0000;
    // The compressor tells it by itself where there is nothing to compress.
    if bytes[LENGTH + 4] & TOLD != 0 {
        bytes.drain(..LENGTH);
        return bytes;
    }
    bytes.copy_within(LENGTH..LENGTH + HEADER, 0);
    bytes[4] |= EIGHT_BYTES;
    bytes[HEADER..HEADER + LENGTH].copy_from_slice(&size.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    const CODINGS: [Coding; 3] = [Coding::Identity, Coding::Gzip, Coding::Zstd];

    fn lines() -> Vec<String> {
        (0..20_000)
            .map(|n| format!("{{\"id\":{n},\"host\":\"web-{}\"}}", n * 7919 % 501))
            .collect()
    }

    fn packed(coding: Coding, level: u32, lines: &[String]) -> Packed {
        let mut packer = Packer::new(coding, level).expect("a packer");
        for line in lines {
            packer.add(line.as_bytes()).expect("room");
        }
        packer.finish().expect("room")
    }

    #[test]
    fn what_was_packed_comes_back_at_every_level() {
        let lines = lines();
        let joined = lines.join("\n") + "\n";
        for coding in CODINGS {
            for level in [0, 1, 2, 3, 9, 19, 100] {
                let packed = packed(coding, level, &lines);
                assert_eq!((packed.count, packed.size), (20_000, joined.len() as u64));
                let decoded = coding.decode(BytesMut::from(&packed.bytes[..]), joined.len());
                assert_eq!(decoded.expect("whole"), joined.as_bytes());
            }
        }
    }

    #[test]
    fn the_same_lines_are_the_same_bytes_however_they_come() {
        let lines = lines();
        let joined = lines.join("\n") + "\n";
        for coding in CODINGS {
            let expected = packed(coding, 0, &lines);
            for at in [0, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, joined.len()] {
                let (one, other) = joined.as_bytes().split_at(at);
                let mut packer = Packer::new(coding, 0).expect("a packer");
                packer.add_lines(one).expect("room");
                packer.add_lines(other).expect("room");
                assert_eq!(packer.finish().expect("room"), expected);
            }
        }
    }

    #[test]
    fn a_zstd_frame_tells_how_long_its_content_is() {
        for count in [0, 1, 20_000] {
            let packed = packed(Coding::Zstd, 0, &lines()[..count]);
            let told = zstd::zstd_safe::get_frame_content_size(&packed.bytes);
            assert_eq!(told.ok().flatten(), Some(packed.size));
        }
    }

    #[test]
    fn a_gzip_header_tells_no_time_and_no_name() {
        assert_eq!(packed(Coding::Gzip, 0, &lines()).bytes[3..8], [0; 5]);
    }
}
