//! Compression of responses: by which coding, of which, and how.
//!
//! Pure, but for the encoders' memory: `accept` (which coding a request gets), `eligible` (which responses are worth it and may be
//! changed), `encoder` (bytes in, fewer bytes out, at once if need be). Who has responses to compress puts them together.

mod accept;
mod eligible;
mod encoder;

pub use self::{
    accept::{accepted, is_refused, wanted},
    eligible::{MIN_LENGTH, is_eligible},
    encoder::{Encoder, Encoders},
};

/// A content coding (RFC 9110, 8.4.1): zstd of RFC 8878, brotli of RFC 7932, gzip of RFC 1952.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    /// In the order in which they are preferred.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// As `Accept-Encoding` and `Content-Encoding` write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}
