//! Buffers that belong to an engine thread and are lent to the connections that have something to say.
//!
//! A connection that waits holds none: 20,000 idle connections need as many buffers as there are requests under way.
//! There are two sizes, so that a thousand small requests do not come to hold what a thousand long bodies need.

use std::cell::RefCell;

use bytes::BytesMut;

/// A head and a small body.
pub const SMALL: usize = 8 * 1024;
/// A piece of a long body: large enough that system calls do not matter, small enough to stay in the cache.
pub const LARGE: usize = 64 * 1024;
const MOST_SMALL: usize = 256;
const MOST_LARGE: usize = 64;

#[derive(Debug, Default)]
pub struct Buffers {
    small: RefCell<Vec<BytesMut>>,
    large: RefCell<Vec<BytesMut>>,
}

impl Buffers {
    pub fn take(&self) -> BytesMut {
        let kept = self.small.borrow_mut().pop();
        kept.unwrap_or_else(|| BytesMut::with_capacity(SMALL))
    }

    /// Makes room for `room` bytes behind what `buffer` holds; an empty one may become another one.
    pub fn make_room(&self, buffer: &mut BytesMut, room: usize) {
        if buffer.is_empty() && room >= LARGE && !buffer.try_reclaim(LARGE) {
            let kept = self.large.borrow_mut().pop();
            let large = kept.unwrap_or_else(|| BytesMut::with_capacity(LARGE));
            self.give(std::mem::replace(buffer, large));
        }
        buffer.reserve(room);
    }

    pub fn give(&self, mut buffer: BytesMut) {
        buffer.clear();
        // Reclaims the room that consumed bytes have left at the front, where nobody else holds a part of it.
        let (list, most) = match (buffer.try_reclaim(LARGE), buffer.try_reclaim(SMALL)) {
            (true, _) if buffer.capacity() <= 2 * LARGE => (&self.large, MOST_LARGE),
            (false, true) => (&self.small, MOST_SMALL),
            _ => return,
        };
        let mut kept = list.borrow_mut();
        if kept.len() < most {
            kept.push(buffer);
        }
    }
}
