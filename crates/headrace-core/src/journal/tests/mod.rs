//! What holds on a real disk, one thing at a time. What holds whatever a disk does: `simulation`.

mod basics;
