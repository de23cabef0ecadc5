//! Any bytes as the files of a journal: opening it ends, reads little more than there is, and what is appended then is
//! there after the next opening.
//!
//! The first byte says what the files are: odd, parts of the input; even, those of a real journal, changed as the input
//! says, eight bytes for each change. Bit 1 mends the checksums afterwards, so that what they cover is reached.
#![no_main]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use headrace_core::journal::{Journal, Key, Options, Query, Range, Record};
use headrace_fuzz::folder::Folder;
use libfuzzer_sys::fuzz_target;

const FOLDER: &str = "/journal";
const NAMES: [&str; 4] = [
    "00000000000000000001.journal",
    "00000000000000000030.journal",
    "landing.notes",
    "00000000000000000001.journal.damaged",
];
/// A header, of which there are two, and where in it its checksum and the salt are.
const HEADER: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 12..16;
const SALT: std::ops::Range<usize> = 24..28;
/// A file that is longer does not grow any more: the time is for odd files, not for long ones.
const MOST: usize = 64 << 10;

fn options() -> Options {
    Options {
        segment_bytes: 16 << 10,
        max_bytes: 1 << 20,
        reserve_bytes: 0,
        clock: Arc::new(|| 1_700_000_000_000),
        ..Options::default()
    }
}

/// The files of a journal that has all there can be: keys, two streams, several segments, seals, one that landed.
static REAL: LazyLock<BTreeMap<PathBuf, Vec<u8>>> = LazyLock::new(|| {
    let folder = Folder::default();
    let (journal, _) = Journal::open(Path::new(FOLDER), options(), Arc::new(folder.clone())).expect("it opens");
    for number in 0..20_u8 {
        let record = Record {
            stream: u16::from(number % 2),
            key: (number % 3 == 0).then_some(Key {
                key: [number; 16],
                body: [1; 16],
            }),
            payloads: &[&[number; 900], b"", b"short"],
        };
        journal
            .append_and_wait(&[record])
            .expect("it has room")
            .expect("it is kept");
    }
    for (stream, first) in [(0, 1), (1, 4), (0, 37)] {
        let range = Range {
            stream,
            first,
            last: first + 2,
        };
        journal.seal(range, b"note").expect("it is open");
    }
    journal.landed(1).expect("it is sealed");
    drop(journal);
    let mut contents = folder.contents();
    contents.values_mut().for_each(|bytes| mend(bytes, true));
    contents
});

/// Gives headers and records, one behind the other, the checksums that fit; and the salt 0, so that all runs are alike.
fn mend(bytes: &mut [u8], salt: bool) {
    for header in bytes.chunks_exact_mut(HEADER).take(2) {
        if salt {
            header[SALT].fill(0);
        }
        header[CHECKSUM].fill(0);
        let checksum = crc32c::crc32c(header);
        header[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    }
    let mut rest = bytes.get_mut(2 * HEADER..).unwrap_or_default();
    while rest.len() >= 72 {
        let length = u32::from_le_bytes([rest[8], rest[9], rest[10], rest[11]]) as usize;
        let head: usize = if rest[38] & 1 == 1 { 72 } else { 40 };
        let Some(body) = rest.get(head..head.saturating_add(length)) else {
            return;
        };
        let checksum = crc32c::crc32c(body);
        rest[4..8].copy_from_slice(&checksum.to_le_bytes());
        let checksum = crc32c::crc32c(&rest[4..head]);
        rest[..4].copy_from_slice(&checksum.to_le_bytes());
        let total = (head + length).next_multiple_of(8).min(rest.len());
        rest = &mut rest[total..];
    }
}

/// Which file, what is done to it, where, with which value.
fn spoil(files: &mut [Vec<u8>], [file, act, p0, p1, value @ ..]: [u8; 8]) {
    let count = files.len();
    let other = usize::from(value[0]) % count;
    let file = usize::from(file) % count;
    let position = usize::from(u16::from_le_bytes([p0, p1]));
    let bytes = &mut files[file];
    let position = position.min(bytes.len());
    match act % 6 {
        0 => bytes
            .iter_mut()
            .skip(position)
            .zip(value)
            .for_each(|(byte, value)| *byte ^= value),
        1 => bytes
            .iter_mut()
            .skip(position)
            .zip(value)
            .for_each(|(byte, value)| *byte = value),
        2 => bytes.truncate(position),
        3 => drop(bytes.splice(position..position, value)),
        4 if bytes.len() < MOST => bytes.extend_from_within(position..),
        4 => {}
        _ => files.swap(file, other),
    }
}

fn folder(input: &[u8]) -> Folder {
    let folder = Folder::default();
    let (kind, rest) = input.split_first().unwrap_or((&0, &[]));
    let real = kind % 2 == 0;
    let (names, mut files): (Vec<PathBuf>, Vec<Vec<u8>>) = if real {
        REAL.clone().into_iter().unzip()
    } else {
        let names = NAMES.iter().map(|name| Path::new(FOLDER).join(name));
        let parts = rest.chunks(rest.len().div_ceil(NAMES.len()).max(1));
        names.zip(parts.map(<[u8]>::to_vec)).unzip()
    };
    for change in rest.chunks_exact(8).take(if real { 64 } else { 0 }) {
        spoil(&mut files, change.try_into().expect("eight bytes"));
    }
    for (name, mut bytes) in names.iter().zip(files) {
        if kind & 2 != 0 {
            mend(&mut bytes, false);
        }
        folder.put(name, &bytes);
    }
    folder
}

/// All that can be read.
fn payloads(journal: &Journal) -> Vec<(u64, Vec<u8>)> {
    let mut reader = journal.reader(1);
    let read = || Some(reader.read(&Query::default()).expect("it can be read")).filter(|slices| !slices.is_empty());
    let slices: Vec<_> = std::iter::from_fn(read).flatten().collect();
    let of = |slice| headrace_core::journal::Slice::payloads(slice);
    slices
        .iter()
        .flat_map(of)
        .map(|payload| (payload.number, payload.bytes.to_vec()))
        .collect()
}

fuzz_target!(|input: &[u8]| {
    let folder = folder(input);
    let size = folder.size();
    let open = || Journal::open(Path::new(FOLDER), options(), Arc::new(folder.clone()));
    // Another version's file is left alone.
    let Ok((journal, report)) = open() else {
        return;
    };
    assert!(
        folder.read() <= 8 * size + (1 << 20),
        "{} of {size} bytes were read",
        folder.read()
    );
    let before = payloads(&journal);
    // What has landed may be on its way out.
    let (least, most) = (report.unlanded, report.payloads);
    assert!(
        (least..=most).contains(&(before.len() as u64)),
        "{} payloads: {report:?}",
        before.len()
    );
    let record = Record {
        stream: 0,
        key: None,
        payloads: &[b"new"],
    };
    let appended = journal.append_and_wait(&[record]);
    drop(journal);
    if let Ok(Ok(appended)) = appended {
        let (journal, _) = open().expect("it opened before");
        let after = payloads(&journal);
        assert!(after.contains(&(appended.first, b"new".to_vec())));
    }
});
