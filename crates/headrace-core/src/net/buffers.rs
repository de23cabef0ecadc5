//! Buffers that belong to an engine thread and are lent to the connections that have something to say.
//!
//! A connection that waits holds none: 20,000 idle connections need as many buffers as there are requests under way.

use std::cell::RefCell;

use bytes::BytesMut;

/// What a buffer begins with: a head and a small body.
pub const SIZE: usize = 8 * 1024;
/// What it may have grown to and still be kept.
const LARGEST: usize = 64 * 1024;
const MOST: usize = 256;

#[derive(Debug, Default)]
pub struct Buffers(RefCell<Vec<BytesMut>>);

impl Buffers {
    pub fn take(&self) -> BytesMut {
        self.0
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| BytesMut::with_capacity(SIZE))
    }

    pub fn give(&self, mut buffer: BytesMut) {
        buffer.clear();
        // Reclaims the room that consumed bytes have left at the front, where nobody else holds a part of it.
        if buffer.try_reclaim(SIZE) && buffer.capacity() <= LARGEST {
            let mut kept = self.0.borrow_mut();
            if kept.len() < MOST {
                kept.push(buffer);
            }
        }
    }
}
