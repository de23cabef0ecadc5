//! Byte streams: a client's, over TCP or TLS, and an app server's, over TCP, TLS or a Unix socket.

use std::{
    io::{self, IoSlice},
    ops::Deref,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf},
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

/// Bytes that are written from, whoever holds them.
pub trait Piece: Buf + Deref<Target = [u8]> {
    fn clear(&mut self);
}

impl Piece for BytesMut {
    fn clear(&mut self) {
        self.clear();
    }
}

impl Piece for Bytes {
    fn clear(&mut self) {
        self.clear();
    }
}

/// Writes once from `first` and then `second` and takes what was written out of them.
pub fn poll_write(
    stream: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
    first: &mut BytesMut,
    second: &mut impl Piece,
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

    /// How much is written at once, and so may be held back encrypted.
    fn set_piece(&mut self, _bytes: usize) {}

    /// The socket, where what is written to it is what the client reads.
    fn plain(&self) -> Option<&TcpStream> {
        None
    }

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

    fn plain(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl ClientStream for server::TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn set_piece(&mut self, bytes: usize) {
        self.get_mut().1.set_buffer_limit(Some(bytes));
    }
}

/// A socket that an app server listens on.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection to an app server.
#[derive(Debug)]
pub enum ServerStream {
    Plain(Socket),
    Tls(Box<client::TlsStream<Socket>>),
}

impl Socket {
    async fn connect(address: &Address) -> io::Result<Self> {
        let socket = match address {
            Address::Unix(path) => return UnixStream::connect(path).await.map(Self::Unix),
            Address::Socket(address) => TcpStream::connect(address).await?,
            Address::Named(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
        };
        socket.set_nodelay(true)?;
        Ok(Self::Tcp(socket))
    }

    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(cx),
            Self::Unix(socket) => socket.poll_read_ready(cx),
        }
    }

    /// Tries `work` on the descriptor, and waits for readiness anew when it would block.
    pub fn try_io<T>(&self, interest: Interest, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(socket) => socket.try_io(interest, work),
            Self::Unix(socket) => socket.try_io(interest, work),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

impl ServerStream {
    pub async fn connect(address: &Address, tls: Option<&ClientTls>) -> io::Result<Self> {
        let socket = Socket::connect(address).await?;
        let Some(tls) = tls else {
            return Ok(Self::Plain(socket));
        };
        let name = tls.name_for(address).map_err(io::Error::other)?;
        let stream = TlsConnector::from(tls.config.clone()).connect(name, socket).await?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// The socket, where what is read from it is what the server wrote.
    pub fn plain(&self) -> Option<&Socket> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(_) => None,
        }
    }

    /// Whether the end of what the server sends was announced, as only TLS can.
    pub fn says_goodbye(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Whether a server that sent not one byte of a response is known not to have read the whole request either.
    ///
    /// A kernel answers with a reset when bytes reach a socket that its process has closed, or closes without having
    /// read them. A process that read all of the request and then died closes in good order instead. So after a reset
    /// the request, sent at once on a quiet connection, can be sent again whatever its method.
    pub fn refused_request(&self, error: Option<&io::Error>) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        let told = error.is_some_and(|error| matches!(error.kind(), ConnectionReset | BrokenPipe));
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        };
        match socket {
            Socket::Tcp(socket) => told || was_reset(socket) || is_unacknowledged(socket),
            Socket::Unix(_) => told,
        }
    }
}

const TCP_CLOSE: u8 = 7;
const TCP_CLOSE_WAIT: u8 = 8;

/// Whether the kernel saw a reset, which a read behind an earlier end of stream does not tell.
pub fn was_reset(socket: &TcpStream) -> bool {
    tcp_info(socket).is_some_and(|info| info.tcpi_state == TCP_CLOSE)
}

/// Whether the other end closed its half at least. Its end of stream need not have been read: what it sent before may
/// wait, as TLS says goodbye by bytes of its own.
pub fn was_ended(socket: &TcpStream) -> bool {
    tcp_info(socket).is_some_and(|info| matches!(info.tcpi_state, TCP_CLOSE | TCP_CLOSE_WAIT))
}

/// Whether the other end has not acknowledged all that was sent. Its end of stream acknowledges what came before.
fn is_unacknowledged(socket: &TcpStream) -> bool {
    tcp_info(socket).is_some_and(|info| info.tcpi_unacked > 0)
}

/// Lets the socket be ready only when so many bytes can be read, or it has ended. Reading without being told gets fewer.
#[allow(unsafe_code)]
pub fn set_low_water(socket: &TcpStream, bytes: u16) {
    let bytes = libc::c_int::from(bytes);
    // SAFETY: the kernel reads an integer of the length it is told; the descriptor is open for as long as `socket` is
    // borrowed. No safe wrapper of this option is at hand.
    let _ = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const bytes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
}

#[allow(unsafe_code)]
fn tcp_info(socket: &TcpStream) -> Option<libc::tcp_info> {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `info`, which is that large; the descriptor is open for as
    // long as `socket` is borrowed. No safe wrapper of this option is at hand.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    // SAFETY: integers for which zero, which it was filled with, is a value.
    let info = unsafe { info.assume_init() };
    (result == 0).then_some(info)
}

/// Reading and writing by whichever of two streams it is.
macro_rules! either {
    ($type:ty, $one:ident, $other:ident) => {
        impl AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::$one(stream) => Pin::new(stream).poll_read(cx, buffer),
                    Self::$other(stream) => Pin::new(stream).poll_read(cx, buffer),
                }
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::$one(stream) => Pin::new(stream).poll_write(cx, bytes),
                    Self::$other(stream) => Pin::new(stream).poll_write(cx, bytes),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::$one(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
                    Self::$other(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
                }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::$one(stream) => Pin::new(stream).poll_flush(cx),
                    Self::$other(stream) => Pin::new(stream).poll_flush(cx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::$one(stream) => Pin::new(stream).poll_shutdown(cx),
                    Self::$other(stream) => Pin::new(stream).poll_shutdown(cx),
                }
            }
        }
    };
}

either!(Socket, Tcp, Unix);
either!(ServerStream, Plain, Tls);
