//! Where connections come in, and what happens to one before its first byte of HTTP.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use rustls::{HandshakeKind, ServerConfig};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    engine::{Engine, Event, Open, Thread},
    error::Error,
    http::{
        exchange::{Handler, Peer},
        h1, h2,
    },
    net::{address::Address, buffers::MEDIUM, clock::IDLE, socket, stream::ClientStream},
};

/// After running out of descriptors, how long accepting waits for some to come back.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// How long closing a listener waits for a thread that is busy.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Makes a handler for each engine thread.
pub trait Source: Send + Sync + 'static {
    type Handler: Handler;

    fn handler(&self, thread: &Rc<Thread>) -> Rc<Self::Handler>;
}

/// A bound address, open until it is closed or the engine stops.
#[derive(Debug)]
pub struct Listener {
    bound: SocketAddr,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
    close: watch::Sender<bool>,
}

impl Listener {
    /// Binds `address` in every thread and serves it by `source`'s handlers.
    pub fn open<S: Source>(
        engine: &Engine,
        address: &Address,
        source: &Arc<S>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Self, Error> {
        let sockets = socket::bind(address, engine.threads())?;
        let bound = sockets
            .first()
            .and_then(|socket| socket.local_addr().ok())
            .ok_or_else(|| Error::Address(format!("{address}: the socket has no address")))?;
        let (close, closed) = watch::channel(false);
        let tls = tls.map(|config| Arc::new(ArcSwap::new(config)));
        for (index, socket) in sockets.into_iter().enumerate() {
            let (source, tls, closed) = (Arc::clone(source), tls.clone(), closed.clone());
            engine.run(index, move |thread| {
                let handler = source.handler(thread);
                serve(thread, socket, handler, tls, closed);
            })?;
        }
        Ok(Self { bound, tls, close })
    }

    pub fn address(&self) -> SocketAddr {
        self.bound
    }

    /// New handshakes use `config`.
    pub fn set_tls(&self, config: Arc<ServerConfig>) -> Result<(), Error> {
        match &self.tls {
            Some(current) => {
                current.store(config);
                Ok(())
            }
            None => Err(Error::Tls(format!("{} was opened without TLS", self.bound))),
        }
    }

    /// Accepts no more. Returns once no thread does.
    pub fn close(&self) {
        self.close.send_replace(true);
        let by = Instant::now() + CLOSE_PATIENCE;
        while !self.close.is_closed() && Instant::now() < by {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Accepts until `closed` says so or the engine stops.
fn serve<H: Handler>(
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
    stop.join(IDLE);
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
    timer.join(IDLE);
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
