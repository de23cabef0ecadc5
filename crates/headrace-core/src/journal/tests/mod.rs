//! What holds on a real disk, one thing at a time: `basics`. What holds whatever a disk does: `simulation`.

mod basics;
mod simulated_disk;
mod simulation;
