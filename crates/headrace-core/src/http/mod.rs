//! HTTP as values (`fields`, `head`, `framing`) and as connections (`h1`, `h2`) behind one `exchange`.

pub mod coding;
pub mod exchange;
pub mod fields;
pub mod framing;
pub mod h1;
pub mod h2;
pub mod head;
mod pace;
pub mod reply;
mod spare;
