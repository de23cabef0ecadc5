//! The cache: one store, asked by programs, over HTTP and at the edge.
//!
//! The service, in reading order: `server` (one request), `parameters` (what it asks for), `reply` (a value as a response),
//! then its other calls, `writing`, `leasing`, `batch` and `events`.

pub mod batch;
pub mod client;
mod events;
mod leasing;
mod parameters;
mod reply;
mod server;
pub mod store;
mod writing;

pub use parameters::{Bad, Target};
pub use server::{CacheServer, Served, Server, ServerOptions};
pub use store::{
    Change, Clock, Follower, Hit, Leased, Lifetime, Lost, New, Options, Stats, Store, Stored, Waiting, What,
};
