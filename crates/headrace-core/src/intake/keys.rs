//! Idempotency keys: a collection that is sent again with the same key gets the reply it would have got, once more.
//!
//! (The `Idempotency-Key` header field, draft-ietf-httpapi-idempotency-key-header.) Keys are kept as hashes, for a window of
//! time; the journal keeps them over restarts.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{Context, SHA256};

use crate::journal::{Appended, Key};

/// The longest key; precedents (Stripe) have 255.
pub(crate) const MAX_KEY: usize = 255;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    body: [u8; 16],
    /// The numbers its payloads got, once they have.
    reply: Option<Appended>,
    /// Whether they are safe. Numbers and safety come from different threads, in any order.
    safe: bool,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing; it is now known to be under way.
    New,
    /// The same collection is under way.
    UnderWay,
    /// The same collection was accepted.
    Accepted(Appended),
    /// It came with another collection.
    Other,
}

#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    known: HashMap<[u8; 16], Known>,
    /// When each was accepted (milliseconds since 1970), oldest first.
    order: VecDeque<(u64, [u8; 16])>,
}

/// What a key and a body are remembered by. The same key in another stream or with another token is another key.
pub(crate) fn hash(stream: u16, token: &str, key: &[u8], body: &[u8]) -> Key {
    let mut named = Context::new(&SHA256);
    named.update(&stream.to_le_bytes());
    named.update(&(token.len() as u64).to_le_bytes());
    named.update(token.as_bytes());
    named.update(key);
    let mut content = Context::new(&SHA256);
    content.update(body);
    Key {
        key: half(named),
        body: half(content),
    }
}

fn half(context: Context) -> [u8; 16] {
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

impl Keys {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a key up, and marks it as under way where it is new.
    pub(crate) fn begin(&self, key: &Key) -> Seen {
        let mut table = self.table();
        match table.known.get(&key.key) {
            Some(known) if known.body != key.body => Seen::Other,
            Some(Known {
                reply: Some(reply),
                safe: true,
                ..
            }) => Seen::Accepted(*reply),
            Some(_) => Seen::UnderWay,
            None => {
                let known = Known {
                    body: key.body,
                    reply: None,
                    safe: false,
                };
                table.known.insert(key.key, known);
                Seen::New
            }
        }
    }

    /// The collection's payloads have got their numbers.
    pub(crate) fn number(&self, key: &Key, reply: Appended) {
        if let Some(known) = self.table().known.get_mut(&key.key) {
            known.reply = Some(reply);
        }
    }

    /// They are safe, since `time`.
    pub(crate) fn accept(&self, key: &Key, time: u64) {
        let table = &mut *self.table();
        if let Some(known) = table.known.get_mut(&key.key) {
            known.safe = true;
            table.order.push_back((time, key.key));
        }
    }

    /// What the journal still knows from before a restart.
    pub(crate) fn restore(&self, key: &Key, reply: Appended, time: u64) {
        self.begin(key);
        self.number(key, reply);
        self.accept(key, time);
    }

    /// The collection was not accepted, and may be sent again.
    pub(crate) fn forget(&self, key: &Key) {
        self.table().known.remove(&key.key);
    }

    /// Forgets what was accepted before `oldest`, and beyond `most` keys the oldest.
    pub(crate) fn expire(&self, oldest: u64, most: usize) {
        let table = &mut *self.table();
        while let Some((time, key)) = table.order.front().copied() {
            if time >= oldest && table.order.len() <= most {
                return;
            }
            table.order.pop_front();
            table.known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: Appended = Appended { first: 1, last: 3 };

    #[test]
    fn a_key_is_new_then_under_way_then_accepted_then_forgotten() {
        let keys = Keys::default();
        let key = hash(0, "", b"k", b"body");
        assert_eq!(keys.begin(&key), Seen::New);
        assert_eq!(keys.begin(&key), Seen::UnderWay);
        assert_eq!(keys.begin(&hash(0, "", b"k", b"other")), Seen::Other);
        keys.accept(&key, 1000);
        assert_eq!(keys.begin(&key), Seen::UnderWay);
        keys.number(&key, REPLY);
        assert_eq!(keys.begin(&key), Seen::Accepted(REPLY));
        assert_eq!(keys.begin(&hash(0, "", b"k", b"other")), Seen::Other);
        keys.expire(1000, 10);
        assert_eq!(keys.begin(&key), Seen::Accepted(REPLY));
        keys.expire(1001, 10);
        assert_eq!(keys.begin(&key), Seen::New);
        keys.forget(&key);
        assert_eq!(keys.begin(&key), Seen::New);
    }

    #[test]
    fn a_key_belongs_to_its_stream_and_its_token() {
        let all = [
            hash(0, "", b"k", b""),
            hash(1, "", b"k", b""),
            hash(0, "k", b"", b""),
            hash(0, "t", b"k", b""),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all[..index].iter().all(|other| other.key != one.key));
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let keys = Keys::default();
        for n in 0..10u8 {
            let key = hash(0, "", &[n], b"");
            keys.restore(&key, REPLY, u64::from(n));
        }
        keys.expire(0, 4);
        let known = (0..10u8).filter(|n| keys.begin(&hash(0, "", &[*n], b"")) != Seen::New);
        assert_eq!(known.collect::<Vec<_>>(), [6, 7, 8, 9]);
    }
}
