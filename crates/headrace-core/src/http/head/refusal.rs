//! Why a head is not taken, and how each side is told.

use std::fmt;

/// What is wrong with a head, before it matters whose head it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed(&'static str),
    StartLineTooLong,
    TooLarge(&'static str),
}

impl From<httparse::Error> for Fault {
    fn from(error: httparse::Error) -> Self {
        Self::Malformed(match error {
            httparse::Error::HeaderName => "a field name is malformed, or a line is folded",
            httparse::Error::HeaderValue => "a field value contains a control character",
            httparse::Error::NewLine => "a line does not end with CRLF",
            httparse::Error::Status => "the status line is malformed",
            httparse::Error::Token => "the request line is malformed",
            httparse::Error::TooManyHeaders => return TOO_MANY,
            httparse::Error::Version => "the HTTP version is neither 1.0 nor 1.1",
        })
    }
}

pub(super) const BARE_LF: Fault = Fault::Malformed("a line does not end with CRLF");
pub(super) const TOO_MANY: Fault = Fault::TooLarge("the head has too many fields");
pub(super) const TOO_LARGE: Fault = Fault::TooLarge("the head is too large");
pub(super) const LINE_TOO_LONG: Fault = Fault::TooLarge("a header line is too long");

/// Why a request is not taken. The connection ends with the reply: where the next request starts is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    BadRequest(&'static str),
    HeadTooLarge(&'static str),
    TargetTooLong,
    ExpectationFailed,
}

impl Refusal {
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::TargetTooLong => 414,
            Self::ExpectationFailed => 417,
            Self::HeadTooLarge(_) => 431,
        }
    }

    /// The `error` of the JSON body.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::TargetTooLong => "target_too_long",
            Self::ExpectationFailed => "expectation_failed",
            Self::HeadTooLarge(_) => "head_too_large",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Self::BadRequest(reason) | Self::HeadTooLarge(reason) => reason,
            Self::TargetTooLong => "the request line is too long",
            Self::ExpectationFailed => "only Expect: 100-continue can be met",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Refusal {}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(reason) => Self::BadRequest(reason),
            Fault::StartLineTooLong => Self::TargetTooLong,
            Fault::TooLarge(reason) => Self::HeadTooLarge(reason),
        }
    }
}

/// Why a response is not passed on: a 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadResponse(pub &'static str);

impl fmt::Display for BadResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadResponse {}

impl From<Fault> for BadResponse {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(reason) | Fault::TooLarge(reason) => Self(reason),
            Fault::StartLineTooLong => Self("the status line is too long"),
        }
    }
}
