//! Central logs: entries from everywhere, one file in the order of their time.
//!
//! ```text
//! POST -> entries -> journal -> window (2 s, by the entries' time) -> file, and whoever follows it
//! ```
//!
//! Reading order: `entry` (what is logged, and how it waits in the journal), `timestamp` and `level` (what others
//! call a time and a level), `batch` (the entries of one body) with the forms that it may have, `json`, `loki` and `otlp`, `server`
//! (one request) with `options`; `syslog` (entries that are not posted); `line` (entries as text), `window` (their order), `file` with `writer` (from the
//! journal to the file), `checkpoint`, `output`, `rotation`, `seekable` (files that are full); `shipper` (how entries leave the process that logs them), `filter` and
//! `search` (entries found again), `reading` with `parameters` (the calls that do).

pub mod batch;
mod checkpoint;
pub mod entry;
pub mod file;
pub mod filter;
pub mod json;
pub mod level;
pub mod line;
pub mod loki;
mod options;
pub mod otlp;
mod output;
mod parameters;
pub mod reading;
mod rotation;
pub mod search;
pub mod seekable;
mod server;
pub mod shipper;
pub mod syslog;
pub mod timestamp;
pub mod window;
mod writer;

pub use entry::{Encoded, Entry, Mark};
pub use file::LogFile;
pub use options::Options;
pub use server::{Logs, Served, Server};
pub use shipper::{LogShipper, ShipperCounts, ShipperOptions};
