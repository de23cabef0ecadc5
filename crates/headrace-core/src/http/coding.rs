//! Content codings of request bodies (RFC 9110, 8.4): gzip (RFC 1952) and zstd (RFC 8878), taken off with a cap on what
//! comes out.

use std::io::{self, Read};

use bytes::{BufMut, BytesMut};
use flate2::read::MultiGzDecoder;

use super::fields::Fields;

/// The codings that are understood, as `Accept-Encoding` names them in a 415 (RFC 9110, 12.5.3).
pub const UNDERSTOOD: &str = "gzip, zstd";

/// The largest window a zstd frame may ask for, as a power of two: what RFC 8878 recommends to support, 8 MiB.
const ZSTD_WINDOW: u32 = 23;
const STEP: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Identity,
    Gzip,
    Zstd,
}

/// Why a body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodingError {
    /// It would become larger than is accepted.
    TooLarge,
    /// It is not what it says it is, or is cut off.
    Malformed,
}

impl Coding {
    /// The coding of a body with these fields; `None` for one that is not understood, or for several.
    pub fn of(fields: &Fields) -> Option<Self> {
        let mut named = fields.get_all(b"content-encoding");
        let Some(name) = named.next() else {
            return Some(Self::Identity);
        };
        if named.next().is_some() {
            return None;
        }
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"identity" | b"" => Some(Self::Identity),
            b"gzip" | b"x-gzip" => Some(Self::Gzip),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What `body` becomes, at most `most` bytes of it.
    pub fn decode(self, body: BytesMut, most: usize) -> Result<BytesMut, CodingError> {
        match self {
            Self::Identity if body.len() > most => Err(CodingError::TooLarge),
            Self::Identity => Ok(body),
            Self::Gzip => read_all(MultiGzDecoder::new(&body[..]), most),
            Self::Zstd => {
                // A frame that tells its content's size may make that its window, too.
                if let Ok(Some(size)) = zstd::zstd_safe::get_frame_content_size(&body)
                    && size > most as u64
                {
                    return Err(CodingError::TooLarge);
                }
                let mut decoder = zstd::Decoder::with_buffer(&body[..]).map_err(|_| CodingError::Malformed)?;
                decoder
                    .window_log_max(ZSTD_WINDOW)
                    .map_err(|_| CodingError::Malformed)?;
                read_all(decoder, most)
            }
        }
    }
}

fn read_all(mut reader: impl Read, most: usize) -> Result<BytesMut, CodingError> {
    let mut out = BytesMut::with_capacity(STEP.min(most + 1));
    let mut step = [0; STEP];
    loop {
        match reader.read(&mut step) {
            Ok(0) => return Ok(out),
            Ok(length) if out.len() + length > most => return Err(CodingError::TooLarge),
            Ok(length) => out.put_slice(&step[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(CodingError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(data: &[u8]) -> BytesMut {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let done = encoder.write_all(data).and_then(|()| encoder.finish());
        BytesMut::from(&done.unwrap_or_default()[..])
    }

    fn zstd(data: &[u8]) -> BytesMut {
        BytesMut::from(&zstd::encode_all(data, 3).unwrap_or_default()[..])
    }

    #[test]
    fn several_members_are_one_body_and_what_is_left_over_is_an_error() {
        let mut two = gzip(b"one ");
        two.extend_from_slice(&gzip(b"two"));
        assert_eq!(Coding::Gzip.decode(two.clone(), 7), Ok(BytesMut::from(&b"one two"[..])));
        assert_eq!(Coding::Gzip.decode(two.clone(), 6), Err(CodingError::TooLarge));
        two.extend_from_slice(b"garbage");
        assert_eq!(Coding::Gzip.decode(two, 7), Err(CodingError::Malformed));
    }

    #[test]
    fn what_is_cut_off_or_empty_is_malformed() {
        for (coding, whole) in [(Coding::Gzip, gzip(b"hello")), (Coding::Zstd, zstd(b"hello"))] {
            for length in 1..whole.len() {
                let cut = BytesMut::from(&whole[..length]);
                assert_eq!(
                    coding.decode(cut, 100),
                    Err(CodingError::Malformed),
                    "{coding:?} {length}"
                );
            }
        }
        assert_eq!(Coding::Gzip.decode(BytesMut::new(), 100), Err(CodingError::Malformed));
    }

    #[test]
    fn a_bomb_is_ended_at_the_cap() {
        let zeros = vec![0; 50_000_000];
        for (coding, bomb) in [(Coding::Gzip, gzip(&zeros)), (Coding::Zstd, zstd(&zeros))] {
            assert!(bomb.len() < 100_000);
            assert_eq!(coding.decode(bomb, 1_000_000), Err(CodingError::TooLarge));
        }
        let told = zstd::bulk::compress(&zeros, 3).unwrap_or_default();
        assert_eq!(
            Coding::Zstd.decode(BytesMut::from(&told[..]), 1_000_000),
            Err(CodingError::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn what_was_coded_comes_back(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
            for (coding, coded) in [(Coding::Gzip, gzip(&data)), (Coding::Zstd, zstd(&data))] {
                prop_assert_eq!(coding.decode(coded, data.len()), Ok(BytesMut::from(&data[..])));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Coding::Gzip.decode(BytesMut::from(&data[..]), 1000);
            let _ = Coding::Zstd.decode(BytesMut::from(&data[..]), 1000);
        }
    }
}
