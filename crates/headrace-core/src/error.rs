//! What can go wrong while something is set up. What goes wrong while it serves is told to clients, counters and events.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// An address that cannot be parsed, resolved or bound.
    Address(String),
    /// A certificate, key or authority that cannot be read or does not fit.
    Tls(String),
    /// A routing table that contradicts itself.
    Table(String),
    /// A journal that cannot be opened, or a note that cannot be kept in it.
    Journal(String),
    /// A file of saved entries that cannot be used.
    Cache(String),
    /// Anything else the engine could not do.
    Engine(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(message)
            | Self::Tls(message)
            | Self::Table(message)
            | Self::Journal(message)
            | Self::Cache(message)
            | Self::Engine(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
