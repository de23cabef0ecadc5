//! Compresses a log file that is written no more, so that it can be searched without decoding all of it.
//!
//! The seekable format of zstd: frames of about a megabyte that end with a line, then a table of them in a frame that
//! decoders skip (<https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md>).
//! `zstd -d` reads it as any other file. A line that is longer than a frame is a frame of its own.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use super::output::{folder_of, with_suffix};

/// What is added to the name.
const PACKED: &str = ".zst";
const UNFINISHED: &str = ".zst.new";
/// How long frames are before compression, somewhat more or less.
const FRAME: usize = 1 << 20;
/// Fast, and half of what the best levels leave.
const LEVEL: i32 = 3;
const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
/// Number of frames, flags, magic number: behind the table.
const FOOTER: u32 = 9;

/// Compresses the file at `path` to one with `.zst` behind its name, made safe before the first is removed. Where a crash
/// left both, it is done again.
pub fn compress(path: &Path) -> io::Result<PathBuf> {
    let (packed, unfinished) = (with_suffix(path, PACKED), with_suffix(path, UNFINISHED));
    let source = File::open(path)?;
    let made = pack(&source, &unfinished, FRAME).and_then(|()| fs::rename(&unfinished, &packed));
    if let Err(error) = made {
        // What is left of a failed attempt would take room.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    let folder = File::open(folder_of(path))?;
    folder.sync_all()?;
    fs::remove_file(path)?;
    folder.sync_all()?;
    Ok(packed)
}

/// Writes what `source` has to `target`, in frames of at least `least` bytes.
pub(super) fn pack(source: &File, target: &Path, least: usize) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(FRAME, source);
    let mut target = File::create(target)?;
    target.set_permissions(source.metadata()?.permissions())?;
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    let (mut frame, mut table) = (Vec::new(), Vec::new());
    while fill(&mut reader, least, &mut frame)? {
        let packed = compressor.compress(&frame)?;
        target.write_all(&packed)?;
        table.push((length(&packed)?, length(&frame)?));
    }
    target.write_all(&encode(&table))?;
    // How old it is follows from its last line.
    target.set_modified(source.metadata()?.modified()?)?;
    target.sync_all()
}

/// Replaces `frame` by the next lines; whether there are any.
fn fill(reader: &mut impl BufRead, least: usize, frame: &mut Vec<u8>) -> io::Result<bool> {
    frame.clear();
    while frame.len() < least && reader.read_until(b'\n', frame)? > 0 {}
    Ok(!frame.is_empty())
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| io::Error::other("a line is too long to be compressed"))
}

/// The table of frames, by their lengths compressed and not.
fn encode(frames: &[(u32, u32)]) -> Vec<u8> {
    let count = frames.len() as u32;
    let lengths = frames.iter().flat_map(|(packed, plain)| [*packed, *plain]);
    let mut table = Vec::new();
    for number in [SKIPPABLE, 8 * count + FOOTER]
        .into_iter()
        .chain(lengths)
        .chain([count])
    {
        table.extend_from_slice(&number.to_le_bytes());
    }
    // No checksums in the table: frames are checked by their lengths.
    table.push(0);
    table.extend_from_slice(&SEEKABLE.to_le_bytes());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log-20261123-154000-0001.txt");
        fs::write(&path, content).unwrap();
        let packed = compress(&path).unwrap();
        assert_eq!(packed, folder.path().join("log-20261123-154000-0001.txt.zst"));
        assert!(!path.exists());
        (folder, packed)
    }

    #[test]
    fn any_decoder_reads_what_was_compressed() {
        let long = [b"a".repeat(3 << 20), b"\nshort\n".to_vec()].concat();
        let many = b"2026-11-23 15:40:00;INFO;source;message\n".repeat(100_000);
        for content in [&b""[..], b"one line\n", b"half a line", &long, &many] {
            let (_folder, path) = packed(content);
            let decoded = zstd::stream::decode_all(File::open(path).unwrap()).unwrap();
            assert!(decoded == content);
        }
    }

    #[test]
    fn frames_end_with_a_line_and_are_told_by_the_table() {
        let line = b"2026-11-23 15:40:00;INFO;source;message\n";
        let (_folder, path) = packed(&line.repeat(100_000));
        let bytes = fs::read(path).unwrap();
        let number = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
        let end = bytes.len();
        assert_eq!(number(end - 4), SEEKABLE as usize);
        let (frames, mut at) = (number(end - 9), 0);
        let table = end - 9 - 8 * frames;
        assert_eq!((frames, number(table - 8)), (4, SKIPPABLE as usize));
        for frame in 0..frames {
            let (packed, plain) = (number(table + 8 * frame), number(table + 8 * frame + 4));
            let decoded = zstd::bulk::decompress(&bytes[at..at + packed], plain).unwrap();
            assert_eq!((decoded.len(), decoded.len() % line.len()), (plain, 0));
            at += packed;
        }
        assert_eq!(at, table - 8);
    }

    #[test]
    fn a_file_that_cannot_be_compressed_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        fs::write(&path, "line\n").unwrap();
        fs::create_dir(folder.path().join("log.txt.zst")).unwrap();
        compress(&path).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"line\n");
        assert!(!folder.path().join("log.txt.zst.new").exists());
    }
}
