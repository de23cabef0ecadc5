//! A chunk as the body of a request, made once: every attempt has the same key and the same bytes.

use std::{
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use super::queue::Chunk;
use crate::logs::Entry;

/// Bytes from which a body is compressed.
const WORTHWHILE: usize = 1024;

/// Of zstd's levels the quickest; entries repeat themselves so much that it takes nine tenths off.
const LEVEL: i32 = 1;

/// A time of March 1973; what is less is taken for microseconds.
const COUNTS_AS_NANOSECONDS: i64 = 100_000_000_000_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) key: [u8; 16],
    pub(super) entries: u64,
    pub(super) compressed: bool,
    pub(super) body: Vec<u8>,
}

impl Batch {
    /// The entries as lines of JSON, and one of `source` that tells of those that were dropped before them.
    pub(super) fn new(chunk: &Chunk, source: &str) -> Self {
        let mut body = Vec::new();
        if chunk.dropped > 0 {
            write_drops(chunk.dropped, source, &mut body);
        }
        for entry in chunk.iter() {
            write_line(&entry, &mut body);
        }
        let packed = (body.len() >= WORTHWHILE).then(|| zstd::bulk::compress(&body, LEVEL));
        let packed = packed.and_then(Result::ok);
        Self {
            key: random(),
            entries: chunk.entries,
            compressed: packed.is_some(),
            body: packed.unwrap_or(body),
        }
    }

    pub(super) fn key_text(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.key))
    }
}

fn write_drops(count: u64, source: &str, into: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let entry = Entry {
        time: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
        level: "WARNING",
        source,
        message: &format!("{count} entries were dropped: more were logged than could be sent"),
        ..Entry::default()
    };
    write_line(&entry, into);
}

fn write_line(entry: &Entry<'_>, into: &mut Vec<u8>) {
    into.extend_from_slice(b"{\"Timestamp\":\"");
    write_time(entry.time, into);
    into.push(b'"');
    for (name, text) in [
        ("Level", entry.level),
        ("Source", entry.source),
        ("Message", entry.message),
    ] {
        // Writing to a vector does not fail.
        let _ = write!(into, ",\"{name}\":");
        let _ = serde_json::to_writer(&mut *into, text);
    }
    let further = entry
        .fields
        .strip_prefix('{')
        .and_then(|fields| fields.strip_suffix('}'));
    if let Some(further) = further.filter(|further| !further.is_empty()) {
        into.push(b',');
        into.extend_from_slice(further.as_bytes());
    }
    into.extend_from_slice(b"}\n");
}

/// Nanoseconds where a reader takes them for such, which it tells by their number, else seconds with a fraction. As text: a
/// reader that takes numbers for floats would lose the last digits.
fn write_time(time: i64, into: &mut Vec<u8>) {
    if time >= COUNTS_AS_NANOSECONDS {
        into.extend_from_slice(itoa::Buffer::new().format(time).as_bytes());
    } else {
        let (sign, nanos) = (if time < 0 { "-" } else { "" }, time.unsigned_abs());
        // Writing to a vector does not fail.
        let _ = write!(into, "{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    }
}

/// Not secret, and not twice, in the children of a process either.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        // Where the system gives none: the time, which is another one at each call of a process.
        let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos().to_le_bytes();
        bytes.iter_mut().zip(now).for_each(|(byte, tick)| *byte = tick);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::timestamp::{self, Told};

    fn chunk(entries: &[Entry<'_>], dropped: u64) -> Chunk {
        let queue = super::super::queue::Queue::new(1 << 20);
        assert!(entries.iter().all(|entry| queue.put(entry, true)));
        let super::super::queue::Taken::Chunk(mut chunk) = queue.take(None, false) else {
            panic!("nothing to take");
        };
        chunk.dropped = dropped;
        chunk
    }

    #[test]
    fn entries_become_lines_of_json() {
        let entry = Entry {
            time: 1_774_000_000_123_456_789,
            level: "INFO",
            source: "load balancer",
            message: "a \"quoted\"\nline",
            fields: r#"{"request_id":"7"}"#,
            ..Entry::default()
        };
        let plain = Entry { fields: "", ..entry };
        let batch = Batch::new(&chunk(&[entry, plain], 0), "shop");
        let text = String::from_utf8(batch.body).unwrap();
        let common = r#"{"Timestamp":"1774000000123456789","Level":"INFO","Source":"load balancer","Message":"a \"quoted\"\nline""#;
        assert_eq!(text, format!("{common},\"request_id\":\"7\"}}\n{common}}}\n"));
        assert_eq!((batch.entries, batch.compressed), (2, false));
    }

    #[test]
    fn any_time_is_read_as_it_was_meant() {
        for time in [
            0,
            1,
            -1,
            -1_500_000_000,
            99_999_999_999_999_999,
            100_000_000_000_000_000,
            i64::MAX,
        ] {
            let mut text = Vec::new();
            write_time(time, &mut text);
            let read = timestamp::read(std::str::from_utf8(&text).unwrap());
            assert_eq!(read, Some(Told::At(time)));
        }
    }

    #[test]
    fn a_long_body_is_compressed_and_each_batch_has_a_key_of_its_own() {
        let entry = Entry {
            message: "a mill by the water",
            ..Entry::default()
        };
        let chunk = chunk(&[entry; 100], 0);
        let (one, other) = (Batch::new(&chunk, "shop"), Batch::new(&chunk, "shop"));
        assert!(one.compressed && one.body.len() < 1000);
        let lines = zstd::bulk::decompress(&one.body, 1 << 20).unwrap();
        assert_eq!(memchr::memchr_iter(b'\n', &lines).count(), 100);
        assert_ne!(one.key_text(), other.key_text());
        assert_eq!(one.key_text().len(), 32);
    }

    #[test]
    fn what_was_dropped_is_told() {
        let body = Batch::new(&chunk(&[Entry::default()], 3), "shop").body;
        let text = String::from_utf8(body).unwrap();
        let told = r#""Level":"WARNING","Source":"shop","Message":"3 entries were dropped"#;
        assert!(text.contains(told), "{text}");
    }
}
