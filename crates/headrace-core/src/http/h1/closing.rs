//! The end of an exchange, and of a connection.

use std::{future::poll_fn, time::Duration};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;

use super::{Connection, READ, Reply};
use crate::{
    http::{
        exchange::{Exchange, Part},
        spare,
    },
    net::{buffers::MEDIUM, stream::ClientStream},
};

/// How much of an unwanted body is read to save the connection; nginx and Apache are as patient.
pub(super) const DRAIN: usize = 64 * 1024;
/// How much of it is read so that a reset does not destroy the response on its way (RFC 9112, 9.6), and for how long.
const LINGER_BYTES: usize = 16 * DRAIN;
const LINGER: Duration = Duration::from_secs(2);

impl<S: ClientStream> Connection<S> {
    /// After the handler: whether the connection can take another request.
    pub(super) async fn settle(&mut self) -> bool {
        if self.permit.take().is_some() {
            self.stream.set_piece(MEDIUM);
        }
        if self.reply != Reply::Done {
            self.break_off().await;
            return false;
        }
        if !self.keep_alive || self.expecting {
            return false;
        }
        if !self.decoder.is_done() && !Box::pin(self.drain_body()).await {
            return false;
        }
        spare::give(std::mem::take(&mut self.request));
        if self.input.is_empty() {
            self.thread.buffers.give(std::mem::take(&mut self.input));
        }
        self.thread.buffers.give(std::mem::take(&mut self.output));
        true
    }

    /// What there is of the response leaves, its end does not. Where the connection's end would be the response's, or the
    /// client takes nothing that the kernel would otherwise keep for it, the connection ends by a reset.
    async fn break_off(&mut self) {
        let unseen = matches!(self.reply, Reply::UntilClose | Reply::Broken);
        if self.reply != Reply::Broken {
            // A client that does not take it is shown as much by the close.
            let _ = poll_fn(|cx| self.poll_drain(cx)).await;
        }
        if unseen {
            self.stream.reset_on_close();
        }
        self.reply = Reply::Broken;
    }

    /// Reads the rest of a body that nobody wants, if it is short and comes at once.
    async fn drain_body(&mut self) -> bool {
        if self.decoder.remaining().is_some_and(|left| left > DRAIN as u64) {
            return false;
        }
        let timer = self.thread.clock.timer();
        let rest = async {
            let mut read = 0;
            let mut unwanted = BytesMut::new();
            while read <= DRAIN {
                unwanted.clear();
                match poll_fn(|cx| self.poll_body(cx, &mut unwanted)).await {
                    Ok(Part::Data) => read += unwanted.len(),
                    Ok(Part::End) => return true,
                    Err(_) => return false,
                }
            }
            false
        };
        timer.within(LINGER, rest).await.unwrap_or(false)
    }

    pub(super) async fn close(mut self: Box<Self>) {
        if self.reply == Reply::Broken {
            return;
        }
        self.reading.clear();
        let timer = self.thread.clock.timer();
        let patience = self.thread.limits().write_idle_timeout;
        if !matches!(timer.within(patience, self.stream.shutdown()).await, Some(Ok(()))) {
            return;
        }
        // Only what the client has sent unread, or is still sending, makes a close a reset.
        if !(self.input.is_empty() && self.decoder.is_done()) || self.refused || self.tunnel {
            let _ = timer.within(LINGER, self.discard()).await;
        }
    }

    async fn discard(&mut self) {
        let mut waste = 0;
        while waste < LINGER_BYTES {
            self.input.clear();
            match poll_fn(|cx| self.poll_fill(cx, READ)).await {
                Ok(length) if length > 0 => waste += length,
                _ => return,
            }
        }
    }
}
