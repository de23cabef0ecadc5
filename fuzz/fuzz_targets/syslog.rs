//! Any bytes as a stream of syslog: however they are split, the same messages come of them, each is one entry, and what
//! waits is bounded.
#![no_main]

use headrace_core::logs::{
    Entry,
    batch::{Arrival, Batch, MAX_AHEAD},
    syslog::{Framing, Reader},
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const NOW: i64 = 1_774_000_000_000_000_000;
const MOST: usize = 200;
/// Digits of a count, and the space behind it.
const COUNT: usize = 10;

/// The messages of a stream that comes in pieces of so many bytes, with whether each was cut.
fn messages(stream: &[u8], size: usize) -> Vec<(Vec<u8>, bool)> {
    let (mut framing, mut waiting, mut found) = (Framing::new(MOST), Vec::new(), Vec::new());
    for piece in stream.chunks(size) {
        waiting.extend_from_slice(piece);
        let mut rest = &waiting[..];
        while let Some(message) = framing.next(&mut rest) {
            found.push((message.bytes.to_vec(), message.cut));
        }
        let taken = waiting.len() - rest.len();
        waiting.drain(..taken);
        assert!(waiting.len() <= MOST + COUNT, "no more waits than one message");
    }
    let last = framing.last(&waiting);
    found.extend(last.map(|message| (message.bytes.to_vec(), message.cut)));
    found
}

fuzz_target!(|stream: &[u8]| {
    let found = messages(stream, stream.len().max(1));
    assert_eq!(found, messages(stream, 1), "each byte by itself");
    assert_eq!(found, messages(stream, 7), "in pieces");
    let (mut reader, mut batch) = (Reader::new(NOW, 3600), Batch::new(Arrival::new(NOW, MAX_AHEAD)));
    for (message, _) in &found {
        assert!(!message.is_empty() && message.len() <= MOST);
        reader.add(message, &mut batch);
    }
    assert_eq!((batch.accepted(), batch.refused()), (found.len(), 0));
    for bytes in batch.entries() {
        let entry = Entry::decode(bytes).expect("what was encoded is decoded");
        assert!(!entry.level.is_empty());
        assert!(!entry.fields.contains(['\n', '\r']), "fields are a line");
        assert!(entry.fields.is_empty() || serde_json::from_str::<Map<String, Value>>(entry.fields).is_ok());
    }
});
