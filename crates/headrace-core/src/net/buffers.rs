//! Buffers that belong to an engine thread and are lent to the connections that have something to say.
//!
//! A connection that waits holds none: 20,000 idle connections need as many buffers as there are requests under way.
//! Pieces of long bodies are large, because that saves system calls and wake-ups, but only for so many bodies at a time
//! as there are permits. The others go on in medium pieces: a crowd of slow readers costs what it costs elsewhere, and the
//! few that read fast get the speed.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use bytes::BytesMut;

/// A head and a small body.
pub const SMALL: usize = 8 * 1024;
/// A piece of a long body without a permit, and with one. From one to the other a megabyte costs about a quarter less.
pub const MEDIUM: usize = 16 * 1024;
pub const LARGE: usize = 256 * 1024;
const MOST_SMALL: usize = 256;
const MOST_LARGE: usize = 64;

#[derive(Debug, Default)]
pub struct Buffers {
    small: RefCell<Vec<BytesMut>>,
    large: RefCell<Vec<BytesMut>>,
    permits: Rc<Cell<usize>>,
}

/// The right to large pieces, until dropped.
#[derive(Debug)]
pub struct Permit(Rc<Cell<usize>>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Buffers {
    pub fn take(&self) -> BytesMut {
        let kept = self.small.borrow_mut().pop();
        kept.unwrap_or_else(|| BytesMut::with_capacity(SMALL))
    }

    /// `None` when as many are out as there are.
    pub fn permit(&self) -> Option<Permit> {
        let out = self.permits.get();
        (out < MOST_LARGE).then(|| {
            self.permits.set(out + 1);
            Permit(Rc::clone(&self.permits))
        })
    }

    /// Makes room for `room` bytes behind what `buffer` holds; an empty one may become a large one.
    pub fn make_room(&self, buffer: &mut BytesMut, room: usize) {
        if room > MEDIUM && buffer.is_empty() && !buffer.try_reclaim(LARGE) {
            let kept = self.large.borrow_mut().pop();
            let large = kept.unwrap_or_else(|| BytesMut::with_capacity(LARGE));
            self.give(std::mem::replace(buffer, large));
        } else {
            buffer.reserve(room);
        }
    }

    pub fn give(&self, mut buffer: BytesMut) {
        if buffer.capacity() == 0 {
            return;
        }
        buffer.clear();
        // Reclaims the room that consumed bytes have left at the front, where nobody else holds a part of it.
        if !buffer.try_reclaim(SMALL) {
            return;
        }
        let large = buffer.capacity() > SMALL && buffer.try_reclaim(LARGE);
        let (list, most) = match large {
            true => (&self.large, MOST_LARGE),
            false => (&self.small, MOST_SMALL),
        };
        let mut kept = list.borrow_mut();
        if kept.len() < most && buffer.capacity() <= 2 * LARGE {
            kept.push(buffer);
        }
    }
}
