//! What holds on a real disk, one thing at a time: `basics`; when its bytes are changed: `damage`. What a fault of the
//! disk does: `faults`. What holds whatever a disk does: `simulation`.

mod basics;
mod damage;
mod faults;
mod simulation;

use std::sync::Arc;

use super::{disk::RealDisk, *};

fn options() -> Options {
    Options {
        segment_bytes: 16 << 10,
        max_bytes: 1 << 20,
        reserve_bytes: 0,
        ..Options::default()
    }
}

fn open(folder: &Path) -> (Journal, Recovery) {
    open_with(folder, options()).unwrap()
}

fn open_with(folder: &Path, options: Options) -> Result<(Journal, Recovery), Error> {
    Journal::open(folder, options, Arc::new(RealDisk))
}

fn collection<'a>(payloads: &'a [&'a [u8]]) -> Record<'a> {
    Record {
        stream: 0,
        key: None,
        payloads,
    }
}

fn append(journal: &Journal, stream: u16, payloads: &[&[u8]]) -> Appended {
    let record = Record {
        stream,
        ..collection(payloads)
    };
    journal.append_and_wait(&[record]).unwrap().unwrap()
}

/// Number, stream and bytes of all there is to read.
fn everything(journal: &Journal, query: Query) -> Vec<(u64, u16, Vec<u8>)> {
    let mut reader = journal.reader(1);
    let mut all = Vec::new();
    loop {
        let slices = reader.read(&query).unwrap();
        if slices.is_empty() {
            return all;
        }
        for slice in slices {
            all.extend(
                slice
                    .payloads()
                    .map(|payload| (payload.number, slice.stream, payload.bytes.to_vec())),
            );
        }
    }
}

/// A folder with what is on the disk now, as if the process were killed.
fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap().flatten() {
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it never held");
        std::thread::sleep(Duration::from_millis(5));
    }
}
