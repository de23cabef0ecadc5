//! Syslog: what devices, daemons and libraries send by themselves, over a connection that nobody answers on.
//!
//! ```text
//! bytes -> messages (RFC 6587) -> entries (RFC 5424, RFC 3164) -> journal -> read on
//! ```
//!
//! Reading order: `framing` (where a message ends), `reader` (what it says) with `modern` and `traditional` (its two forms) and
//! `json` (their fields); all of that is pure. `service` is who may connect and what is shared, `connection` one of them, `rounds` when it reads.

mod connection;
pub mod framing;
mod json;
mod modern;
pub mod reader;
mod rounds;
mod service;
mod traditional;

pub use framing::{Framing, Message};
pub use reader::Reader;
pub use service::{Options, Speaker, Syslog};
