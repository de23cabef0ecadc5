//! In which words a request is refused that nothing is kept of.

use crate::{
    journal::{self, Failure},
    metrics::Refused,
    service::{Stop, refuse, stopping},
};

pub(super) fn too_large(most: usize) -> Stop {
    refuse(
        Refused::ContentTooLarge,
        format!("A body may have {most} bytes (MAX_LENGTH), decoded too. Send it in parts."),
    )
}

/// The journal takes no more.
pub(super) fn not_taken(refused: journal::Refused) -> Stop {
    match refused {
        journal::Refused::Full => refuse(
            Refused::QueueFull,
            "As much waits to be landed as may; try again later.",
        ),
        journal::Refused::DiskFull => disk_full(),
        journal::Refused::TooLarge => refuse(
            Refused::ContentTooLarge,
            "The body holds too much for one record; send it in parts.",
        ),
        journal::Refused::Stopped => stopping(),
        journal::Refused::Failed => failed(),
    }
}

/// The journal could not keep it.
pub(super) fn not_kept(failure: Failure) -> Stop {
    match failure {
        Failure::DiskFull => disk_full(),
        Failure::Failed => failed(),
    }
}

fn disk_full() -> Stop {
    refuse(
        Refused::DiskFull,
        "The service's disk is full; nothing of this was stored.",
    )
}

fn failed() -> Stop {
    refuse(
        Refused::Failed,
        "The service's disk failed; nothing of this was acknowledged. Try again later.",
    )
}
