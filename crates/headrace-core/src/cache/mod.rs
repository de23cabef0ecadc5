//! The cache: one store, asked by programs, over HTTP and at the edge.

pub mod client;
pub mod store;

pub use store::{
    Change, Clock, Follower, Hit, Leased, Lifetime, Lost, New, Options, Stats, Store, Stored, Waiting, What,
};
