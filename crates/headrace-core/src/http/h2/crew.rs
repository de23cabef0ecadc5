//! Tasks that answer requests and stand by for the next ones, of any connection of the thread.
//!
//! A request has a task of its own, so that one that waits holds up no other. A new task for each would be made, moved to
//! the heap and thrown away, several KiB every time. So a task that has answered keeps its memory, which is warm, and
//! waits to be given the next request; the one that was busy last goes first.
//!
//! Invariants
//! - at most `STAND_BY` tasks wait; who comes after them ends;
//! - who waits holds nothing of a connection, and ends with the crew.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};

use super::{Shared, exchange::Stream};
use crate::http::{exchange::Handler, reply::Problem};

/// Tasks of a thread that may wait for a request: what a few busy connections have under way at once.
const STAND_BY: usize = 64;

/// A request that was accepted, and where its response goes.
pub(super) struct Order {
    pub(super) shared: Rc<Shared>,
    pub(super) request: http::Request<RecvStream>,
    pub(super) respond: SendResponse<Bytes>,
}

/// The tasks of one handler on one thread.
pub struct Crew<H> {
    handler: Rc<H>,
    waiting: RefCell<Vec<Rc<Post>>>,
}

impl<H: Handler> Crew<H> {
    pub fn new(handler: Rc<H>) -> Rc<Self> {
        Rc::new(Self {
            handler,
            waiting: RefCell::default(),
        })
    }

    pub fn handler(&self) -> &Rc<H> {
        &self.handler
    }

    pub(super) fn take(self: &Rc<Self>, order: Order) {
        let post = self.waiting.borrow_mut().pop();
        match post {
            Some(post) => post.give(order),
            None => drop(tokio::task::spawn_local(work(Rc::downgrade(self), order))),
        }
    }

    async fn answer(&self, order: Order) {
        let (mut stream, refusal) = Stream::new(order);
        match refusal {
            None => self.handler.handle(&mut stream).await,
            Some(refusal) => {
                let problem = Problem::from(refusal);
                stream.refused(problem.why);
                problem.send(&mut stream, None).await;
            }
        }
        stream.settle().await;
    }

    /// Whether there is still room for one who waits.
    fn lets_wait(&self, post: &Rc<Post>) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let room = waiting.len() < STAND_BY;
        if room {
            waiting.push(Rc::clone(post));
        }
        room
    }
}

impl<H> Drop for Crew<H> {
    fn drop(&mut self) {
        self.waiting.take().iter().for_each(|post| post.close());
    }
}

async fn work<H: Handler>(crew: Weak<Crew<H>>, first: Order) {
    let post = Rc::new(Post::default());
    let mut next = Some(first);
    while let (Some(crew), Some(order)) = (crew.upgrade(), next.take()) {
        crew.answer(order).await;
        if !crew.lets_wait(&post) {
            return;
        }
        drop(crew);
        next = poll_fn(|cx| post.poll_take(cx)).await;
    }
}

/// Where a task waits for an order, or for the end.
#[derive(Default)]
struct Post {
    order: Cell<Option<Order>>,
    over: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Post {
    fn give(&self, order: Order) {
        self.order.set(Some(order));
        self.wake();
    }

    fn close(&self) {
        self.over.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Order>> {
        let order = self.order.take();
        if order.is_some() || self.over.get() {
            return Poll::Ready(order);
        }
        self.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}
