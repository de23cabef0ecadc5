//! The mechanism of headrace: it moves bytes and never decides. Policy lives in Python and reaches this crate as
//! immutable tables and options; what happens here reaches Python as counters and events.
//!
//! Reading order: `engine` (threads and their lives), `net` (sockets, TLS, time), `http` (heads, framing, the two
//! protocol versions, the [`http::exchange::Exchange`] they offer to handlers), `listener` (where connections
//! come in), `compress` (codings of responses), `balancer` (the handler that passes
//! requests on), `journal` (what must not be lost), `service` (what handlers share that
//! answer by themselves), `intake` (how bodies get into a journal), `ingest` and `logs` (the handlers that do),
//! `uploads` (payloads on their way to a store); `calendar`, `error`, `limits` and `metrics` are leaves.

pub mod balancer;
pub mod cache;
pub mod calendar;
pub mod client;
pub mod compress;
pub mod edge;
pub mod engine;
pub mod error;
pub mod http;
pub mod ingest;
pub mod intake;
pub mod journal;
pub mod limits;
pub mod listener;
pub mod logs;
pub mod metrics;
pub mod net;
pub mod pack;
pub mod service;
pub mod uploads;
