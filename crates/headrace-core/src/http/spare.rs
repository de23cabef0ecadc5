//! Requests that ended, for the next ones of any connection of the thread: an idle connection holds none, and their buffers have
//! grown already.

use std::cell::RefCell;

use super::head::Request;

/// How many a thread keeps.
const MOST: usize = 256;

thread_local! {
    static SPARE: RefCell<Vec<Request>> = const { RefCell::new(Vec::new()) };
}

/// One to read into, empty.
pub(super) fn take() -> Request {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps what is no longer needed.
pub(super) fn give(mut request: Request) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MOST {
            request.clear();
            spare.push(request);
        }
    });
}
