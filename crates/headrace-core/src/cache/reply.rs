//! A value as a response. What is written for most requests is made without a formatter and without an allocation.

use bytes::Bytes;

use super::{Hit, parameters::has_tag};
use crate::{
    http::{
        exchange::Exchange,
        fields::{Field, Known},
        head::Request,
        reply::send_shared,
    },
    service::JSON,
};

/// The kind of a value that came without one.
const BYTES: &[u8] = b"application/octet-stream";
const ABSENT: &[u8] = b"{\"error\": \"not_found\", \"message\": \"Nothing is kept under this key.\"}\n";

/// What the field `Lease` says where somebody else computes the value.
pub(super) const HELD: &[u8] = b"held";

/// Longest field of tags; what has more does not tell them.
const MOST_TAGS: usize = 4096;

/// What is told with a value where it was asked for.
#[derive(Default)]
pub(super) struct Beside<'a> {
    pub(super) lease: Option<&'a [u8]>,
    pub(super) tags: Option<Vec<u8>>,
}

/// Answers with a value: 200, or 304 where the client has it already.
pub(super) async fn send_hit(exchange: &mut impl Exchange, hit: Hit, beside: Beside<'_>) {
    let (life, etag) = (Text::lifetime(&hit), Text::version(hit.version));
    let mut age = itoa::Buffer::new();
    let fields = [
        Field::classified(
            Known::ContentType,
            b"Content-Type",
            if hit.meta.is_empty() { BYTES } else { &hit.meta },
        ),
        Field::classified(Known::Age, b"Age", age.format(hit.age.as_secs()).as_bytes()),
        Field::classified(Known::CacheControl, b"Cache-Control", life.as_bytes()),
        Field::classified(Known::Other, b"ETag", etag.as_bytes()),
    ];
    let lease = beside.lease.map(|lease| Field::new(b"Lease", lease));
    let tags = beside.tags.as_deref().map(|tags| Field::new(b"Cache-Tags", tags));
    let asked = lease.into_iter().chain(tags);
    if has_already(exchange.request(), etag.as_bytes()) {
        let fields = fields.into_iter().skip(1).chain(asked);
        send_shared(exchange, 304, fields, Bytes::new()).await;
    } else {
        send_shared(exchange, 200, fields.into_iter().chain(asked), hit.value).await;
    }
}

/// Whether the client has said that it has this version.
fn has_already(request: &Request, etag: &[u8]) -> bool {
    let fields = request.fields();
    // Nearly all have no condition at all, which is quicker to see.
    let known = fields
        .known(Known::Condition)
        .and_then(|_| fields.get(b"if-none-match"));
    known.is_some_and(|known| has_tag(known, etag))
}

/// Tags as a field's value: with commas, percent-encoded where they are not plain. `None`: too long.
pub(super) fn tags_field(tags: &[Box<[u8]>]) -> Option<Vec<u8>> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut field = Vec::new();
    for tag in tags {
        if !field.is_empty() {
            field.extend_from_slice(b", ");
        }
        for byte in tag {
            match byte {
                b'%' | b',' | b'+' | ..b'!' | 0x7f.. => {
                    field.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                }
                _ => field.push(*byte),
            }
        }
    }
    (field.len() <= MOST_TAGS).then_some(field)
}

/// Answers that there is no value. That is no mistake of the client's, and is not counted as one.
pub(super) async fn send_absent(exchange: &mut impl Exchange, lease: Option<&[u8]>) {
    let fields = [
        Field::new(b"Content-Type", JSON),
        Field::new(b"Cache-Control", b"no-store"),
    ];
    let lease = lease.map(|lease| Field::new(b"Lease", lease));
    send_shared(
        exchange,
        404,
        fields.into_iter().chain(lease),
        Bytes::from_static(ABSENT),
    )
    .await;
}

/// A field's value that is put together here.
struct Text {
    bytes: [u8; 64],
    length: usize,
}

impl Text {
    const fn new() -> Self {
        Self {
            bytes: [0; 64],
            length: 0,
        }
    }

    /// How long a value may be used: `max-age=9`, `max-age=9, stale-while-revalidate=60`.
    ///
    /// Whole seconds, rounded down, but for the last one of freshness: `max-age=0` is said of what is stale, and of
    /// nothing else.
    fn lifetime(hit: &Hit) -> Self {
        let mut text = Self::new();
        text.push(b"max-age=");
        text.number(hit.fresh_for.as_secs());
        if hit.fresh_for.as_secs() == 0 && !hit.fresh_for.is_zero() {
            let millis: u64 = hit.fresh_for.subsec_millis().max(1).into();
            text.push(b".");
            text.push(&[100, 10, 1].map(|place| b'0' + (millis / place % 10) as u8));
        }
        if !hit.stale_for.is_zero() {
            text.push(b", stale-while-revalidate=");
            text.number(hit.stale_for.as_secs());
        }
        text
    }

    /// The entity tag of a version.
    fn version(version: u64) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = Self::new();
        text.push(b"\"");
        text.push(&std::array::from_fn::<_, 16, _>(|place| {
            DIGITS[(version >> (60 - 4 * place) & 15) as usize]
        }));
        text.push(b"\"");
        text
    }

    fn number(&mut self, number: u64) {
        self.push(itoa::Buffer::new().format(number).as_bytes());
    }

    /// What does not fit any more is left out; all that is put together here fits.
    fn push(&mut self, part: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + part.len()) {
            place.copy_from_slice(part);
            self.length += part.len();
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn life(fresh: u64, stale: u64) -> String {
        let hit = Hit {
            value: Bytes::new(),
            meta: Bytes::new(),
            version: 0,
            age: Duration::ZERO,
            fresh_for: Duration::from_millis(fresh),
            stale_for: Duration::from_millis(stale),
        };
        String::from_utf8(Text::lifetime(&hit).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn lifetimes_are_told_in_seconds_and_zero_means_stale() {
        assert_eq!(life(9_999, 0), "max-age=9");
        assert_eq!(life(9_000, 60_500), "max-age=9, stale-while-revalidate=60");
        assert_eq!(life(42, 0), "max-age=0.042");
        assert_eq!(life(0, 5_000), "max-age=0, stale-while-revalidate=5");
        let longest = 1 << 43;
        assert!(life(longest, longest).ends_with("stale-while-revalidate=8796093022"));
    }

    #[test]
    fn tags_are_told_so_that_each_byte_of_them_comes_back() {
        let told = |tags: &[&[u8]]| tags_field(&tags.iter().map(|tag| (*tag).into()).collect::<Vec<_>>());
        assert_eq!(told(&[]).unwrap(), b"");
        assert_eq!(told(&[b"posts", b"post:3"]).unwrap(), b"posts, post:3");
        assert_eq!(
            told(&[b"a, b", b"50%", b"\xff\n", b"~!", b"1+1"]).unwrap(),
            b"a%2C%20b, 50%25, %FF%0A, ~!, 1%2B1"
        );
        assert_eq!(told(&[&[b'x'; 4096]]).unwrap().len(), 4096);
        assert_eq!(told(&[&[b'x'; 4000], &[b'y'; 100]]), None);
    }

    #[test]
    fn versions_are_sixteen_digits() {
        assert_eq!(Text::version(0x1f).as_bytes(), b"\"000000000000001f\"");
        assert_eq!(Text::version(u64::MAX).as_bytes(), b"\"ffffffffffffffff\"");
    }
}
