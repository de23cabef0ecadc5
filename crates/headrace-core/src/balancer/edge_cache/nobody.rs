//! A request without a client: a stale response is renewed while it is served.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use crate::http::{
    exchange::{BodyError, Exchange, Gone, Part, Peer, ReplyBody},
    fields::{Field, Fields},
    head::Request,
};

pub(super) struct Nobody {
    request: Request,
    /// On whose request it is renewed.
    peer: Peer,
    status: u16,
}

impl Nobody {
    pub(super) fn new(request: Request, peer: Peer) -> Self {
        Self {
            request,
            peer,
            status: 0,
        }
    }
}

impl Exchange for Nobody {
    fn request(&self) -> &Request {
        &self.request
    }

    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn poll_body(&mut self, _: &mut Context<'_>, _: &mut BytesMut) -> Poll<Result<Part, BodyError>> {
        Poll::Ready(Ok(Part::End))
    }

    fn trailers(&self) -> Option<&Fields> {
        None
    }

    fn interim<'f>(&mut self, _: u16, _: impl Iterator<Item = Field<'f>>) {}

    fn start<'f>(&mut self, status: u16, _: &[u8], _: impl Iterator<Item = Field<'f>>, _: ReplyBody) {
        self.status = status;
    }

    fn started(&self) -> bool {
        self.status != 0
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn wants_large_pieces(&mut self) -> bool {
        false
    }

    fn poll_write(&mut self, _: &mut Context<'_>, data: &mut BytesMut) -> Poll<Result<(), Gone>> {
        data.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_write_shared(&mut self, _: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), Gone>> {
        data.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, _: Option<&Fields>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
