//! HTTP/2 towards clients (RFC 9113).
use super::exchange::{Handler, Peer};
use crate::{engine::Thread, net::stream::ClientStream};
use std::rc::Rc;
pub async fn serve<S: ClientStream, H: Handler>(_stream: S, _peer: Peer, _thread: Rc<Thread>, _handler: Rc<H>) {}
