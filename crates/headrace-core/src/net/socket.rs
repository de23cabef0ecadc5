//! Listening sockets, one a thread (`SO_REUSEPORT`).

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::address::Address;
use crate::error::Error;

/// Connections the kernel holds for us; it lowers this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

fn open(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // [::] takes IPv4 as well.
        socket.set_only_v6(false)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn explain(address: &Address, error: &io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "is taken by another program; stop it or choose another port",
        io::ErrorKind::PermissionDenied => "may not be used by this user; choose a port from 1024 up",
        io::ErrorKind::AddrNotAvailable => "is no address of this machine",
        _ => return Error::Address(format!("{address}: cannot listen: {error}")),
    };
    Error::Address(format!("{address} {advice}"))
}

/// One listening socket a thread, all on one port.
pub fn bind(address: &Address, threads: usize) -> Result<Vec<TcpListener>, Error> {
    let failed = |error: io::Error| explain(address, &error);
    let wanted = address.resolve()?;
    // A socket that does not share its port finds out whether the port is taken; shared ones of one user never do.
    let first = open(wanted, false).map_err(failed)?;
    first.listen(1).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?.as_socket().unwrap_or(wanted);
    drop(first);
    let sockets = (0..threads).map(|_| {
        let socket = open(bound, threads > 1).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        Ok(socket.into())
    });
    sockets.collect()
}
