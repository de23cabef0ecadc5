//! Central logs: entries from everywhere, one file in the order of their time.
//!
//! ```text
//! POST -> entries -> journal -> window (2 s, by the entries' time) -> file, and whoever follows it
//! ```
//!
//! Reading order: `entry` (what is logged, and how it waits in the journal), `calendar`, `timestamp` and `level` (what others
//! call a time and a level), `line` (entries as text), `shipper` (how entries leave the process that logs them), `filter` and `search`
//! (entries found again), `reading` with `parameters` and `readers` (the calls that do).

pub mod calendar;
pub mod entry;
pub mod filter;
pub mod level;
pub mod line;
mod parameters;
mod readers;
pub mod reading;
pub mod search;
pub mod shipper;
pub mod timestamp;

pub use entry::{Entry, Mark};
pub use shipper::{LogShipper, ShipperCounts, ShipperOptions};
