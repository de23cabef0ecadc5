//! Where connections come in, and what happens to one before its first byte of HTTP, or of another protocol.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdListener},
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

/// What is spoken over the connections of a listener, on one engine thread.
pub trait Protocol: 'static {
    /// Whether clients read. Where they do not they get nothing that they did not ask for, such as tickets by which TLS
    /// sessions are resumed: a client that closes with something unread resets, and loses what it sent last.
    const ANSWERS: bool;

    /// Whether a client from there may connect; one that may not is closed at once.
    fn admits(&self, client: IpAddr) -> bool;

    /// Speaks until the connection has ended.
    fn plain(&self, socket: TcpStream, peer: Peer, thread: Rc<Thread>) -> impl Future<Output = ()> + 'static;

    /// The same over TLS. It is boxed, so that a connection costs what it runs now and not the sum of all it ever runs.
    fn secure(&self, stream: Box<TlsStream<TcpStream>>, peer: Peer, thread: Rc<Thread>) -> Serving;
}

pub type Serving = Pin<Box<dyn Future<Output = ()>>>;

/// Makes a handler of HTTP for each engine thread.
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
    answers: bool,
}

impl Listener {
    /// Binds `address` in every thread and serves it by `source`'s handlers.
    pub fn open<S: Source>(
        engine: &Engine,
        address: &Address,
        source: &Arc<S>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Self, Error> {
        let source = Arc::clone(source);
        let speak = move |thread: &Rc<Thread>| Http(h2::Crew::new(source.handler(thread)));
        Self::open_for(engine, address, speak, tls)
    }

    /// Binds `address` in every thread and serves it by what `speak` makes for each.
    pub fn open_for<P: Protocol>(
        engine: &Engine,
        address: &Address,
        speak: impl Fn(&Rc<Thread>) -> P + Send + Sync + 'static,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Self, Error> {
        let speak = Arc::new(speak);
        let sockets = socket::bind(address, engine.threads())?;
        let bound = sockets
            .first()
            .and_then(|socket| socket.local_addr().ok())
            .ok_or_else(|| Error::Address(format!("{address}: the socket has no address")))?;
        let (close, closed) = watch::channel(false);
        let tls = tls.map(|config| Arc::new(ArcSwap::new(fitting(config, P::ANSWERS))));
        for (index, socket) in sockets.into_iter().enumerate() {
            let (speak, tls, closed) = (Arc::clone(&speak), tls.clone(), closed.clone());
            engine.run(index, move |thread| {
                let protocol = Rc::new(speak(thread));
                serve(thread, socket, protocol, tls, closed);
            })?;
        }
        let answers = P::ANSWERS;
        Ok(Self {
            bound,
            tls,
            close,
            answers,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.bound
    }

    /// New handshakes use `config`.
    pub fn set_tls(&self, config: Arc<ServerConfig>) -> Result<(), Error> {
        match &self.tls {
            Some(current) => {
                current.store(fitting(config, self.answers));
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

/// Without tickets where nobody would read them.
fn fitting(config: Arc<ServerConfig>, answers: bool) -> Arc<ServerConfig> {
    if answers {
        return config;
    }
    let mut config = ServerConfig::clone(&config);
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// HTTP of either version, answered by a handler.
struct Http<H>(Rc<h2::Crew<H>>);

impl<H: Handler> Protocol for Http<H> {
    const ANSWERS: bool = true;

    fn admits(&self, _client: IpAddr) -> bool {
        true
    }

    fn plain(&self, socket: TcpStream, peer: Peer, thread: Rc<Thread>) -> impl Future<Output = ()> + 'static {
        h1::serve(socket, peer, thread, Rc::clone(self.0.handler()))
    }

    fn secure(&self, stream: Box<TlsStream<TcpStream>>, peer: Peer, thread: Rc<Thread>) -> Serving {
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Box::pin(h2::serve(*stream, peer, thread, Rc::clone(&self.0))),
            _ => Box::pin(h1::serve(*stream, peer, thread, Rc::clone(self.0.handler()))),
        }
    }
}

/// Accepts until `closed` says so or the engine stops.
fn serve<P: Protocol>(
    thread: &Rc<Thread>,
    socket: StdListener,
    protocol: Rc<P>,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
    mut closed: watch::Receiver<bool>,
) {
    let thread = Rc::clone(thread);
    tokio::task::spawn_local(async move {
        match TcpListener::from_std(socket) {
            Ok(listener) => tokio::select! {
                () = accept(&thread, &listener, &protocol, tls) => {}
                Ok(_) = closed.wait_for(|closed| *closed) => {}
            },
            Err(error) => tell(&thread, false, format!("a listener cannot be used: {error}")),
        }
    });
}

fn tell(thread: &Thread, ok: bool, detail: String) {
    thread.shared().events.push(Event::Listener { ok, detail });
}

async fn accept<P: Protocol>(
    thread: &Rc<Thread>,
    listener: &TcpListener,
    protocol: &Rc<P>,
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
                admit(thread, socket, address, protocol, tls.as_ref());
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

fn admit<P: Protocol>(
    thread: &Rc<Thread>,
    socket: TcpStream,
    address: SocketAddr,
    protocol: &Rc<P>,
    tls: Option<&Arc<ArcSwap<ServerConfig>>>,
) {
    let counters = thread.counters();
    counters.connections_accepted.add(1);
    let ip = address.ip().to_canonical();
    if !protocol.admits(ip) {
        return;
    }
    let Some(open) = Open::count(thread) else {
        counters.connections_refused.add(1);
        return;
    };
    // A connection that ended in the meantime shows it on the first read.
    let _ = socket.set_nodelay(true);
    let peer = Peer {
        ip,
        ip_text: ip.to_string(),
        secure: tls.is_some(),
    };
    let thread = Rc::clone(thread);
    match tls.map(|tls| tls.load_full()) {
        None => {
            let speaking = protocol.plain(socket, peer, thread);
            drop(tokio::task::spawn_local(async move {
                speaking.await;
                drop(open);
            }));
        }
        Some(config) => {
            let protocol = Rc::clone(protocol);
            drop(tokio::task::spawn_local(async move {
                let handshake = Box::pin(handshake(Rc::clone(&thread), socket, config));
                if let Some(serving) = handshake.await.map(|stream| protocol.secure(stream, peer, thread)) {
                    serving.await;
                }
                drop(open);
            }));
        }
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
