//! The store as its callers see it, on a clock that stands still until a test moves it.

mod basics;
mod model;
mod snapshot;
mod threads;
mod wheel;
