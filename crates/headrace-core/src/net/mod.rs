//! Sockets, TLS and time.

pub mod address;
pub mod buffers;
pub mod clock;
pub mod network;
pub mod pipe;
pub mod session;
pub mod socket;
pub mod stream;
pub mod tls;
