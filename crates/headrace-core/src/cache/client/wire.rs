//! A connection to a cache server, plain or TLS, blocking or not.
//!
//! A blocking one keeps to a deadline however its bytes trickle, with no system call for it in the usual case: the
//! socket's own time-out is left as it is while it is right to within [`CLOSE`].

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use rustls::{ClientConnection, Stream};
use socket2::{Domain, Protocol, Socket, Type};

use super::Failure;
use crate::{client::Origin, net::tls::ClientTls};

const CLOSE: Duration = Duration::from_millis(10);

pub(super) struct Wire {
    socket: Timed,
    tls: Option<Box<ClientConnection>>,
}

/// A socket whose reads and writes end at a deadline, where there is one.
struct Timed {
    socket: TcpStream,
    /// What the kernel has for its time-outs.
    set: Duration,
    deadline: Option<Instant>,
}

impl Wire {
    /// Connects to the first of these that lets it, by `deadline`.
    pub(super) fn open(
        origin: &Origin,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<(Self, SocketAddr), Failure> {
        let mut last = Failure::Away("the name has no address".to_owned());
        for address in addresses {
            let left = deadline.saturating_duration_since(Instant::now());
            match TcpStream::connect_timeout(address, left.max(Duration::from_millis(1))) {
                Ok(socket) => return Ok((Self::new(origin, socket)?, *address)),
                Err(error) => last = Failure::from(error),
            }
        }
        Err(last)
    }

    /// Begins to connect. The first write that doesn't block says that it has.
    pub(super) fn begin(origin: &Origin, address: SocketAddr) -> Result<Self, Failure> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error.into()),
            _ => Self::new(origin, socket.into()),
        }
    }

    fn new(origin: &Origin, socket: TcpStream) -> Result<Self, Failure> {
        socket.set_nodelay(true)?;
        let session = |tls: &ClientTls| {
            let name = tls.name_for(&origin.address).map_err(|error| error.to_string())?;
            ClientConnection::new(tls.config.clone(), name).map_err(|error| error.to_string())
        };
        let tls = origin.tls.as_ref().map(session).transpose().map_err(Failure::Away)?;
        let socket = Timed {
            socket,
            set: Duration::ZERO,
            deadline: None,
        };
        Ok(Self {
            socket,
            tls: tls.map(Box::new),
        })
    }

    /// For a blocking connection: when what follows must be over.
    pub(super) fn until(&mut self, deadline: Instant) {
        self.socket.deadline = Some(deadline);
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.socket.as_fd()
    }

    /// Whether what is read may be held back by the session, so that only a read that blocks says that all was read.
    pub(super) fn holds_back(&self) -> bool {
        self.tls.is_some()
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(into);
        };
        match Stream::new(&mut **tls, &mut self.socket).read(into) {
            Err(error) if is_cut(&error) => received(tls, &mut self.socket, into).map_err(|_| error),
            read => read,
        }
    }
}

/// What came before the other side closed: what could not be sent to it is no longer tried first.
fn received(tls: &mut ClientConnection, socket: &mut Timed, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match tls.reader().read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
        tls.read_tls(socket)?;
        tls.process_new_packets().map_err(io::Error::other)?;
    }
}

/// Whether nothing can be sent any more.
fn is_cut(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => Stream::new(&mut **tls, &mut self.socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => Ok(()),
            Some(tls) => Stream::new(&mut **tls, &mut self.socket).flush(),
        }
    }
}

impl Timed {
    fn limit(&mut self) -> io::Result<()> {
        let Some(deadline) = self.deadline else {
            return Ok(());
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.set < left || self.set > left + CLOSE {
            self.set = left + CLOSE / 2;
            self.socket.set_read_timeout(Some(self.set))?;
            self.socket.set_write_timeout(Some(self.set))?;
        }
        Ok(())
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.limit()?;
        self.socket.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.limit()?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
