//! A record: one collection, the unit of atomicity. What is on disk of it, and how it is told from anything else.
//!
//! ```text
//! head   crc u32   of the rest of the head, begun with the segment's salt
//!        crc u32   of the body
//!        length of the body u32, number of payloads u32, number of the first payload u64
//!        time u64 (milliseconds since 1970, fixed when it was appended)
//!        synced u32 (where in the segment the write began that this record was part of)
//!        stream u16, flags u16, [key: 16 bytes, hash of the body that came with it: 16 bytes]
//! body   for each payload: length u32, bytes
//! ```
//!
//! All numbers are little-endian; records begin at multiples of 8 bytes. The head has a CRC of its own, so that its
//! length can be trusted before the body is read, and a damaged body says which numbers it had. The salt is random
//! for each segment: bytes inside a payload cannot pass for a record. `synced` tells damage from a torn write: all
//! that lies before it was safe when this record was written.

/// A head without a key, and with one.
const SHORT: usize = 40;
pub(super) const LONG: usize = 72;
const KEYED: u16 = 1;
/// Records begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;
/// The highest number of a payload: numbers fit into the 63 bits that databases have for them.
pub(super) const MAX_NUMBER: u64 = i64::MAX as u64;
/// No record's body is longer, so that recovery needs no more memory than this.
pub const MAX_RECORD: usize = 64 << 20;

/// What a request with an idempotency key is remembered by: hashes of the key and of the body that came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub key: [u8; 16],
    pub body: [u8; 16],
}

/// A collection to be appended: all of its payloads are kept, or none.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Which of the service's streams it belongs to.
    pub stream: u16,
    pub key: Option<Key>,
    pub payloads: &'a [&'a [u8]],
}

impl Record<'_> {
    /// Bytes of the body.
    pub(super) fn length(&self) -> usize {
        self.payloads.iter().map(|payload| 4 + payload.len()).sum()
    }
}

/// A record's head, read and found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) body_crc: u32,
    pub(super) length: u32,
    pub(super) payloads: u32,
    pub(super) first: u64,
    pub(super) time: u64,
    pub(super) synced: u32,
    pub(super) stream: u16,
    pub(super) key: Option<Key>,
}

impl Head {
    /// The head at the start of `bytes`, if one is there and whole.
    pub(super) fn parse(bytes: &[u8], salt: u32) -> Option<Self> {
        let short = bytes.first_chunk::<SHORT>()?;
        let keyed = u16::from_le_bytes([short[38], short[39]]) & KEYED != 0;
        let head = bytes.get(..if keyed { LONG } else { SHORT })?;
        if crc32c::crc32c_append(salt, &head[4..]) != u32_at(head, 0) {
            return None;
        }
        let head = Self {
            body_crc: u32_at(head, 4),
            length: u32_at(head, 8),
            payloads: u32_at(head, 12),
            first: u64_at(head, 16),
            time: u64_at(head, 24),
            synced: u32_at(head, 32),
            stream: u16::from_le_bytes([head[36], head[37]]),
            key: head.get(SHORT..).and_then(read_key),
        };
        head.is_sane().then_some(head)
    }

    fn is_sane(&self) -> bool {
        self.payloads > 0
            && self.length as usize <= MAX_RECORD
            && u64::from(self.payloads) * 4 <= u64::from(self.length)
            && self.first > 0
            && self
                .first
                .checked_add(u64::from(self.payloads))
                .is_some_and(|next| next <= MAX_NUMBER)
    }

    /// The number of its last payload.
    pub(super) fn last(&self) -> u64 {
        self.first + u64::from(self.payloads) - 1
    }

    /// Bytes of the head.
    pub(super) fn size(&self) -> usize {
        if self.key.is_some() { LONG } else { SHORT }
    }

    /// Bytes from its start to the next record's.
    pub(super) fn total(&self) -> usize {
        (self.size() + self.length as usize).next_multiple_of(ALIGNMENT)
    }

    /// Whether `body` is what was appended.
    pub(super) fn owns(&self, body: &[u8]) -> bool {
        body.len() == self.length as usize
            && crc32c::crc32c(body) == self.body_crc
            && payloads(body).count() == self.payloads as usize
    }
}

/// Bytes that `record` will take.
pub(super) fn size(record: &Record<'_>) -> usize {
    let head = if record.key.is_some() { LONG } else { SHORT };
    (head + record.length()).next_multiple_of(ALIGNMENT)
}

/// Appends `record` to `buffer`, whole but for what only its place in a segment decides; [`stamp`] adds that.
pub(super) fn encode(buffer: &mut Vec<u8>, record: &Record<'_>, first: u64, time: u64) {
    let start = buffer.len();
    buffer.reserve(size(record));
    buffer.extend_from_slice(&[0; 12]);
    buffer.extend_from_slice(&(record.payloads.len() as u32).to_le_bytes());
    buffer.extend_from_slice(&first.to_le_bytes());
    buffer.extend_from_slice(&time.to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&record.stream.to_le_bytes());
    buffer.extend_from_slice(&record.key.map_or(0, |_| KEYED).to_le_bytes());
    if let Some(key) = &record.key {
        buffer.extend_from_slice(&key.key);
        buffer.extend_from_slice(&key.body);
    }
    let body = buffer.len();
    for payload in record.payloads {
        buffer.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        buffer.extend_from_slice(payload);
    }
    let length = buffer.len() - body;
    let crc = crc32c::crc32c(&buffer[body..]);
    buffer[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    buffer[start + 8..start + 12].copy_from_slice(&(length as u32).to_le_bytes());
    buffer.resize(buffer.len().next_multiple_of(ALIGNMENT), 0);
}

/// The head of an encoded record that has no place yet.
pub(super) fn unplaced(bytes: &[u8]) -> Head {
    let keyed = u16::from_le_bytes([bytes[38], bytes[39]]) & KEYED != 0;
    Head {
        body_crc: u32_at(bytes, 4),
        length: u32_at(bytes, 8),
        payloads: u32_at(bytes, 12),
        first: u64_at(bytes, 16),
        time: u64_at(bytes, 24),
        synced: 0,
        stream: u16::from_le_bytes([bytes[36], bytes[37]]),
        key: keyed.then(|| read_key(&bytes[SHORT..LONG])).flatten(),
    }
}

/// Gives the encoded record at the start of `bytes` its place: the segment's salt, where its write begins.
pub(super) fn stamp(bytes: &mut [u8], head: &Head, salt: u32, synced: u32) {
    bytes[32..36].copy_from_slice(&synced.to_le_bytes());
    let crc = crc32c::crc32c_append(salt, &bytes[4..head.size()]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
}

/// The payloads of a body, as far as their lengths make sense.
pub(super) fn payloads(mut body: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = body.split_first_chunk::<4>()?;
        let (payload, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        body = rest;
        Some(payload)
    })
}

fn read_key(bytes: &[u8]) -> Option<Key> {
    Some(Key {
        key: *bytes.first_chunk()?,
        body: *bytes.last_chunk()?,
    })
}

/// The number at `at`; 0 where the bytes end before it.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The number at `at`; 0 where the bytes end before it.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
