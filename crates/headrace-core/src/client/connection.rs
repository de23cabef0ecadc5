//! One connection, plain or TLS.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use rustls::{ClientConnection, StreamOwned};

use super::{Failure, Origin, Patience};
use crate::net::address::Address;

/// Where a body follows in a write of its own: a copy costs more than a system call from here on.
const TOGETHER: usize = 16_384;

/// A second handle on a connection's socket.
#[derive(Debug)]
pub(super) struct Socket(TcpStream);

impl Socket {
    pub(super) fn cut(&self) {
        // It may have ended by itself meanwhile.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

pub(super) struct Connection {
    stream: Stream,
    /// How long a read may last, as the kernel was told.
    limit: Duration,
}

impl Connection {
    /// Connects, to each address of the host in turn, within the time for all of them. TLS is negotiated with the first
    /// write.
    pub(super) fn open(origin: &Origin, patience: &Patience) -> Result<Self, Failure> {
        let failed = |why: &dyn ToString| Failure::Connect(why.to_string());
        let socket = connect(&origin.address, Instant::now() + patience.connect).map_err(|error| failed(&error))?;
        let set = socket
            .set_nodelay(true)
            .and_then(|()| socket.set_write_timeout(Some(patience.write)))
            .and_then(|()| socket.set_read_timeout(Some(patience.read)));
        set.map_err(|error| failed(&error))?;
        let limit = patience.read;
        let Some(tls) = &origin.tls else {
            let stream = Stream::Plain(socket);
            return Ok(Self { stream, limit });
        };
        let name = tls.name_for(&origin.address).map_err(|error| failed(&error))?;
        let session = ClientConnection::new(tls.config.clone(), name).map_err(|error| failed(&error))?;
        let stream = Stream::Tls(Box::new(StreamOwned::new(session, socket)));
        Ok(Self { stream, limit })
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// None where the process has no descriptor left for it.
    pub(super) fn socket(&self) -> Option<Socket> {
        self.tcp().try_clone().map(Socket).ok()
    }

    pub(super) fn write(&mut self, head: &[u8], body: &[u8]) -> Result<(), Failure> {
        let writer: &mut dyn Write = match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &mut **stream,
        };
        let written = if body.len() <= TOGETHER {
            writer.write_all(&[head, body].concat())
        } else {
            writer.write_all(head).and_then(|()| writer.write_all(body))
        };
        written.and_then(|()| writer.flush()).map_err(|error| broken(&error))
    }

    /// Bytes that arrived, at the latest at `deadline`; 0 at the connection's end.
    pub(super) fn read(&mut self, into: &mut [u8], deadline: Instant) -> Result<usize, Failure> {
        self.limit(deadline.saturating_duration_since(Instant::now()))?;
        let received = match &mut self.stream {
            Stream::Plain(socket) => socket.read(into),
            Stream::Tls(stream) => stream.read(into),
        };
        received.map_err(|error| broken(&error))
    }

    /// A limit that is right to a 64th stays: most reads begin with all of the time left.
    fn limit(&mut self, left: Duration) -> Result<(), Failure> {
        let over = self.limit.checked_sub(left);
        if over.is_some_and(|over| over <= self.limit / 64) {
            return Ok(());
        }
        // The kernel takes 0 for no limit at all.
        self.limit = left.max(Duration::from_millis(1));
        let limited = self.tcp().set_read_timeout(Some(self.limit));
        limited.map_err(|error| broken(&error))
    }
}

fn connect(address: &Address, deadline: Instant) -> io::Result<TcpStream> {
    let found: Vec<_> = match address {
        Address::Socket(address) => vec![*address],
        Address::Named(host, port) => (host.as_str(), *port).to_socket_addrs()?.collect(),
        Address::Unix(_) => return Err(io::Error::other("Unix sockets are not supported here")),
    };
    let mut last = io::Error::other("the name has no address");
    for address in found {
        let left = deadline.saturating_duration_since(Instant::now());
        match TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn broken(error: &io::Error) -> Failure {
    Failure::Broken(match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it took too long".to_owned(),
        _ => error.to_string(),
    })
}
