//! `GET /events`: what changes, as server-sent events, for caches near the code.
//!
//! ```text
//! event: ready                     what is set from now on is told
//! data: {}
//!
//! id: 17
//! event: change                    the values under this key, with this tag or prefix, are no longer as they were
//! data: {"key": "a"}               or {"tag": "t"}, {"prefix": "p"}, with "soft": true where they are only stale
//!
//! : alive                          each second
//!
//! event: lost                      more happened than is remembered: whatever the follower has may be old
//! data: {}
//! ```
//!
//! A follower that hears nothing for some seconds has lost the server, and no longer knows whether what it has is good:
//! the sign of life bounds how old it can be. Keys that are not UTF-8 are told percent-encoded, as `key_encoded` and so on.

use std::{fmt::Write as _, time::Duration};

use tokio::time::timeout;

use super::{
    Change, Follower, What,
    server::{Server, not_allowed},
};
use crate::{
    http::exchange::Exchange,
    service::{Place, Stop, begin, finish, while_heard, write},
};

const MAX_FOLLOWERS: usize = 4096;
/// Changes that are told at once.
const TOGETHER: usize = 512;
const HEARTBEAT: Duration = Duration::from_secs(1);

impl Server {
    /// Tells what changes, until the client or the service ends.
    pub(super) async fn events(&self, exchange: &mut impl Exchange) -> Result<(), Stop> {
        if exchange.request().method() != b"GET" {
            return Err(not_allowed(b"GET"));
        }
        let full = "Too many follow the changes; try again later.";
        let _place = Place::take(&self.shared.following, MAX_FOLLOWERS, full)?;
        let seen = exchange.request().fields().get(b"last-event-id");
        let mut follower = match seen {
            // What is no number of ours is as old as can be.
            Some(id) => self
                .shared
                .store
                .follow_from(number(id).map_or(0, |number| number.saturating_add(1))),
            None => self.shared.store.follow(),
        };
        begin(exchange, b"text/event-stream");
        write(exchange, b"event: ready\ndata: {}\n\n").await?;
        while !self.thread.stopping() {
            // Woken or not: what there is.
            let _ = while_heard(exchange, timeout(HEARTBEAT, follower.changed())).await?;
            write(exchange, &told(&mut follower)).await?;
        }
        finish(exchange).await
    }
}

fn number(id: &[u8]) -> Option<u64> {
    std::str::from_utf8(id).ok()?.trim().parse().ok()
}

/// What is new as events, or a sign of life.
fn told(follower: &mut Follower) -> Vec<u8> {
    let first = follower.next();
    let Ok(changes) = follower.take(TOGETHER) else {
        return b"event: lost\ndata: {}\n\n".to_vec();
    };
    if changes.is_empty() {
        return b": alive\n\n".to_vec();
    }
    let mut text = String::new();
    for (number, change) in (first..).zip(changes) {
        // Writing into memory has no way to fail.
        let _ = write!(text, "id: {number}\nevent: change\ndata: {}\n\n", data(&change));
    }
    text.into_bytes()
}

fn data(change: &Change) -> serde_json::Value {
    let kind = match change.what {
        What::Key => "key",
        What::Tag => "tag",
        What::Prefix => "prefix",
    };
    let mut data = match std::str::from_utf8(&change.name) {
        Ok(text) => serde_json::json!({ kind: text }),
        Err(_) => serde_json::json!({ format!("{kind}_encoded"): encoded(&change.name) }),
    };
    if change.soft {
        data["soft"] = true.into();
    }
    data
}

/// Every byte as `%` and two digits.
fn encoded(name: &[u8]) -> String {
    name.iter().fold(String::new(), |mut text, byte| {
        // Writing into memory has no way to fail.
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_as_json() {
        for (what, name, soft, expected) in [
            (What::Key, &b"a\n\"b"[..], false, r#"{"key":"a\n\"b"}"#),
            (What::Tag, b"t", true, r#"{"soft":true,"tag":"t"}"#),
            (What::Prefix, b"", false, r#"{"prefix":""}"#),
            (What::Key, b"\xff\x00", false, r#"{"key_encoded":"%FF%00"}"#),
        ] {
            let name = name.into();
            assert_eq!(data(&Change { what, name, soft }).to_string(), expected);
        }
    }
}
