//! The cache: one store, asked by programs, over HTTP and at the edge.

pub mod client;
