//! Listening sockets, one a thread (`SO_REUSEPORT`), and what happens to a connection before its first byte of HTTP.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{HandshakeKind, ServerConfig};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{address::Address, buffers::MEDIUM, stream::ClientStream};
use crate::{
    engine::{Event, Open, Thread},
    error::Error,
    http::{
        exchange::{Handler, Peer},
        h1, h2,
    },
};

/// Connections the kernel holds for us; it lowers this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// After running out of descriptors, how long accepting waits for some to come back.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

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
pub fn bind(address: &Address, threads: usize) -> Result<Vec<StdListener>, Error> {
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

/// Accepts until `closed` says so or the engine stops.
pub fn serve<H: Handler>(
    thread: &Rc<Thread>,
    socket: StdListener,
    handler: Rc<H>,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
    mut closed: watch::Receiver<bool>,
) {
    let thread = Rc::clone(thread);
    let crew = h2::Crew::new(handler);
    tokio::task::spawn_local(async move {
        match TcpListener::from_std(socket) {
            Ok(listener) => tokio::select! {
                () = accept(&thread, &listener, crew, tls) => {}
                Ok(_) = closed.wait_for(|closed| *closed) => {}
            },
            Err(error) => tell(&thread, false, format!("a listener cannot be used: {error}")),
        }
    });
}

fn tell(thread: &Thread, ok: bool, detail: String) {
    thread.shared().events.push(Event::Listener { ok, detail });
}

async fn accept<H: Handler>(
    thread: &Rc<Thread>,
    listener: &TcpListener,
    crew: Rc<h2::Crew<H>>,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
) {
    let stop = thread.clock.timer();
    stop.join(super::clock::IDLE);
    let mut failing = false;
    loop {
        let accepted = std::future::poll_fn(|cx| {
            if thread.stopping() {
                return std::task::Poll::Ready(None);
            }
            // Only to be woken when the engine stops.
            let _ = stop.poll(cx);
            listener.poll_accept(cx).map(Some)
        });
        match accepted.await {
            None => return,
            Some(Ok((socket, address))) => {
                if std::mem::take(&mut failing) {
                    tell(thread, true, "connections are accepted again".into());
                }
                admit(thread, socket, address, &crew, tls.as_ref());
            }
            // The client was gone before we looked: its problem alone.
            Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Some(Err(error)) => {
                if !std::mem::replace(&mut failing, true) {
                    tell(thread, false, format!("connections cannot be accepted: {error}"));
                }
                sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

fn admit<H: Handler>(
    thread: &Rc<Thread>,
    socket: TcpStream,
    address: SocketAddr,
    crew: &Rc<h2::Crew<H>>,
    tls: Option<&Arc<ArcSwap<ServerConfig>>>,
) {
    let counters = thread.counters();
    counters.connections_accepted.add(1);
    let Some(open) = Open::count(thread) else {
        counters.connections_refused.add(1);
        return;
    };
    // A connection that ended in the meantime shows it on the first read.
    let _ = socket.set_nodelay(true);
    let ip = address.ip().to_canonical();
    let peer = Peer {
        ip,
        ip_text: ip.to_string(),
        secure: tls.is_some(),
    };
    let (thread, crew) = (Rc::clone(thread), Rc::clone(crew));
    match tls.map(|tls| tls.load_full()) {
        None => drop(tokio::task::spawn_local(async move {
            h1::serve(socket, peer, thread, Rc::clone(crew.handler())).await;
            drop(open);
        })),
        Some(config) => drop(tokio::task::spawn_local(async move {
            // Both are boxed, so that a connection costs what it runs now and not the sum of all it ever runs.
            let handshake = Box::pin(handshake(Rc::clone(&thread), socket, config));
            if let Some(serving) = handshake.await.map(|stream| serving(stream, peer, thread, crew)) {
                serving.await;
            }
            drop(open);
        })),
    }
}

type Serving = Pin<Box<dyn Future<Output = ()>>>;

fn serving<H: Handler>(
    stream: Box<TlsStream<TcpStream>>,
    peer: Peer,
    thread: Rc<Thread>,
    crew: Rc<h2::Crew<H>>,
) -> Serving {
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Box::pin(h2::serve(*stream, peer, thread, crew)),
        _ => Box::pin(h1::serve(*stream, peer, thread, Rc::clone(crew.handler()))),
    }
}

async fn handshake(
    thread: Rc<Thread>,
    socket: TcpStream,
    config: Arc<ServerConfig>,
) -> Option<Box<TlsStream<TcpStream>>> {
    let timer = thread.clock.timer();
    timer.join(super::clock::IDLE);
    let accepting = Box::pin(TlsAcceptor::from(config).accept(socket));
    let counters = thread.counters();
    let Some(Ok(mut stream)) = timer.within(thread.limits().header_timeout, accepting).await else {
        counters.tls_failed.add(1);
        return None;
    };
    counters.tls_handshakes.add(1);
    stream.set_piece(MEDIUM);
    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
        counters.tls_resumed.add(1);
    }
    Some(Box::new(stream))
}
