//! Byte streams: a client's, over TCP or TLS, and an app server's, over TCP, TLS or a Unix socket.

use std::{
    io::{self, IoSlice},
    os::fd::AsRawFd,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsConnector, client, server};

use super::{address::Address, tls::ClientTls};

/// Reads once, behind what `buffer` holds. `Ready(Ok(0))` is the end of the stream.
pub fn poll_read(
    stream: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    std::pin::pin!(stream.read_buf(buffer)).poll(cx)
}

/// Writes once from `first` and then `second` and takes what was written out of them.
pub fn poll_write(
    stream: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
    first: &mut BytesMut,
    second: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    let poll = match (first.is_empty(), second.is_empty()) {
        (_, true) => stream.poll_write(cx, first),
        (true, false) => stream.poll_write(cx, second),
        (false, false) => stream.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)]),
    };
    poll.map_ok(|written| {
        let head = written.min(first.len());
        first.advance(head);
        second.advance((written - head).min(second.len()));
        written
    })
}

/// A client's connection.
pub trait ClientStream: AsyncRead + AsyncWrite + Unpin + 'static {
    fn socket(&self) -> &TcpStream;

    /// Lets the coming close reach the client as a reset: a response without framing would look whole otherwise.
    fn reset_on_close(&self) {
        // A socket that cannot be told is closed all the same.
        let _ = SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
    }
}

impl ClientStream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl ClientStream for server::TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A connection to an app server.
#[derive(Debug)]
pub enum ServerStream {
    Tcp(TcpStream),
    Tls(Box<client::TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl ServerStream {
    pub async fn connect(address: &Address, tls: Option<&ClientTls>) -> io::Result<Self> {
        let socket = match address {
            Address::Unix(path) => return UnixStream::connect(path).await.map(Self::Unix),
            Address::Socket(address) => TcpStream::connect(address).await?,
            Address::Named(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
        };
        socket.set_nodelay(true)?;
        let Some(tls) = tls else {
            return Ok(Self::Tcp(socket));
        };
        let name = tls.name_for(address).map_err(io::Error::other)?;
        let stream = TlsConnector::from(tls.config.clone()).connect(name, socket).await?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// Whether a server that sent not one byte of a response is known not to have read the whole request either.
    ///
    /// A kernel answers with a reset when bytes reach a socket that its process has closed, or closes without having
    /// read them. A process that read all of the request and then died closes in good order instead. So after a reset
    /// the request, sent at once on a quiet connection, can be sent again whatever its method.
    pub fn refused_request(&self, error: Option<&io::Error>) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        let told = error.is_some_and(|error| matches!(error.kind(), ConnectionReset | BrokenPipe));
        match self {
            Self::Unix(_) => told,
            Self::Tcp(socket) => told || was_reset(socket),
            Self::Tls(stream) => told || was_reset(stream.get_ref().0),
        }
    }
}

/// Whether the kernel saw a reset, which a read behind an earlier end of stream does not tell.
#[allow(unsafe_code)]
fn was_reset(socket: &TcpStream) -> bool {
    const TCP_CLOSE: u8 = 7;
    let mut state = [0u8; 1];
    let mut length: libc::socklen_t = 1;
    // SAFETY: the kernel writes at most `length` bytes, the first of `tcp_info` (its state), into an array of that
    // size; the descriptor is open for as long as `socket` is borrowed. No safe wrapper of this option is at hand.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            state.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    result == 0 && length == 1 && state[0] == TCP_CLOSE
}

macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($stream) => $call,
            Self::Tls(boxed) => {
                let $stream = &mut **boxed;
                $call
            }
            Self::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for ServerStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
