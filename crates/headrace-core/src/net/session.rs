//! The server's end of a TLS connection without its socket: ciphertext in, plaintext out, and the other way round.
//!
//! For event loops that are not ours, as those of the app servers. Nothing waits here and nothing is kept: what comes in
//! goes out in the same call, but for a record that has not arrived whole (at most 16 KiB, in a handshake 64 KiB), so that
//! flow control stays with whoever owns the socket.

use std::{
    io::{BufRead, Write},
    sync::Arc,
};

use rustls::{ServerConfig, ServerConnection};

use crate::error::Error;

/// What a record is longer than its plaintext, at most: header, nonce or content type, tag.
const RECORD_EXTRA: usize = 5 + 8 + 1 + 16;
const RECORD: usize = 16_384;

#[derive(Debug)]
pub struct Session {
    tls: ServerConnection,
}

/// What came of a read.
#[derive(Debug, Default)]
pub struct Received {
    pub plaintext: Vec<u8>,
    /// To be sent at once: handshake messages, session tickets, key updates; mostly nothing.
    pub reply: Vec<u8>,
    /// Whether the client announced that nothing more comes.
    pub ended: bool,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Tls(error.to_string())
}

impl Session {
    pub fn new(config: &Arc<ServerConfig>) -> Result<Self, Error> {
        let tls = ServerConnection::new(Arc::clone(config)).map_err(failed)?;
        Ok(Self { tls })
    }

    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Takes what the socket gave, in any pieces. After an error only `close` makes sense; it gives the alert.
    pub fn receive(&mut self, mut data: &[u8]) -> Result<Received, Error> {
        let mut received = Received::default();
        while !data.is_empty() && !received.ended {
            // It takes nothing where the length of a record is out of range, which the next call refuses.
            let taken = self.tls.read_tls(&mut data).map_err(failed)?;
            let state = self.tls.process_new_packets().map_err(failed)?;
            received.ended = state.peer_has_closed();
            self.take_plaintext(state.plaintext_bytes_to_read(), &mut received.plaintext)?;
            if taken == 0 {
                break;
            }
        }
        self.take_pending(&mut received.reply)?;
        Ok(received)
    }

    /// Encrypts, once the handshake is over.
    pub fn send(&mut self, mut data: &[u8]) -> Result<Vec<u8>, Error> {
        let records = data.len().div_ceil(RECORD);
        let mut ciphertext = Vec::with_capacity(data.len() + records * RECORD_EXTRA);
        while !data.is_empty() {
            // At most 64 KiB at once, which is what a connection buffers.
            let taken = match self.is_handshaking() {
                true => 0,
                false => self.tls.writer().write(data).map_err(failed)?,
            };
            if taken == 0 {
                return Err(failed("nothing can be sent before the handshake is over"));
            }
            self.take_pending(&mut ciphertext)?;
            data = data.get(taken..).unwrap_or_default();
        }
        Ok(ciphertext)
    }

    /// The last bytes of this side: the alert that tells why, or the announcement of the end.
    pub fn close(&mut self) -> Result<Vec<u8>, Error> {
        self.tls.send_close_notify();
        let mut last = Vec::new();
        self.take_pending(&mut last)?;
        Ok(last)
    }

    fn take_plaintext(&mut self, mut length: usize, into: &mut Vec<u8>) -> Result<(), Error> {
        let mut reader = self.tls.reader();
        while length > 0 {
            let chunk = reader.fill_buf().map_err(failed)?;
            let count = chunk.len();
            into.extend_from_slice(chunk);
            reader.consume(count);
            length -= count;
        }
        Ok(())
    }

    fn take_pending(&mut self, into: &mut Vec<u8>) -> Result<(), Error> {
        while self.tls.wants_write() {
            self.tls.write_tls(into).map_err(failed)?;
        }
        Ok(())
    }
}
