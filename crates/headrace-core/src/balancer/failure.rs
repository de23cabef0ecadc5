//! Why an attempt at a server came to nothing, in words for the events, and what that means for the request.

use std::{fmt, io};

use crate::http::{exchange::BodyError, reply::Problem};

pub(super) const GONE: Failure = Failure::Client(BodyError::Gone);

#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection to the server.
    Unreached(io::Error),
    /// The client is gone, or did not deliver its body.
    Client(BodyError),
    TooLarge,
    /// The connection ended or failed. `seen`: something of a response had come.
    Closed {
        seen: bool,
        error: Option<io::Error>,
    },
    /// What the server sent is no HTTP.
    Malformed(&'static str),
    /// It sent nothing for too long.
    TimedOut,
    /// It is a stream, and the server or the balancer leaves.
    Ended,
}

impl Failure {
    /// Whether the server failed, and not the client.
    pub(super) fn is_the_servers(&self) -> bool {
        !matches!(self, Self::Client(_) | Self::TooLarge | Self::Ended)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreached(error) => write!(f, "cannot be reached: {error}"),
            Self::Client(_) => f.write_str("the client did not deliver its request"),
            Self::TooLarge => f.write_str("the request is too large"),
            Self::Closed { seen, error } => {
                let when = if *seen {
                    "before the end of its response"
                } else {
                    "before its response"
                };
                match error {
                    Some(error) => write!(f, "the connection failed {when}: {error}"),
                    None => write!(f, "it closed the connection {when}"),
                }
            }
            Self::Malformed(what) => write!(f, "its response is malformed: {what}"),
            Self::TimedOut => f.write_str("it took too long"),
            Self::Ended => f.write_str("it is leaving"),
        }
    }
}

/// Why a request is not answered by a server.
pub(super) enum Stop {
    Refuse(Problem),
    /// Nobody is there to be answered, or the response has begun and cannot be mended.
    Broken,
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Refuse(problem)
    }
}
