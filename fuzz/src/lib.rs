//! A client's connection in memory, served by the code that serves real ones, on a real engine thread.
//!
//! The client says what it has to say in portions, closes its half, and reads to the end. Whatever it said, the
//! connection ends then, everything that was begun with it ends too, and what came back is bounded.

pub mod folder;

use std::{
    cell::OnceCell,
    future::poll_fn,
    io,
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream as StdTcpStream},
    pin::Pin,
    rc::Rc,
    sync::{LazyLock, mpsc},
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use headrace_core::{
    engine::{Engine, Open, Thread},
    http::{
        exchange::{Exchange, Handler, Part, Peer, ReplyBody},
        fields::{Field, Fields},
        h1, h2,
    },
    limits::Limits,
    net::stream::ClientStream,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex, split},
    net::TcpStream,
    task::{JoinHandle, spawn_local, yield_now},
};

/// What lies between client and server: less than a large response, so that writing waits, too.
const PIPE: usize = 16 * 1024;
/// The body of a GET; with an answer to every byte of the input this bounds what may come back.
const PAGE: usize = 100;
const MOST_FOR_A_BYTE: usize = 1024;
/// Far above what a connection takes that was closed; below the least of the engine's own time-outs.
const PATIENCE: Duration = Duration::from_secs(8);

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::start(1, Limits::default()).expect("an engine starts"));

thread_local! {
    static SOCKET: OnceCell<Rc<TcpStream>> = const { OnceCell::new() };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// All that the server says to a client that says `input`, `portion` bytes at a time.
///
/// # Panics
/// Where the connection, or what was begun with it, does not end.
pub fn converse(protocol: Protocol, input: &[u8], portion: usize) -> Vec<u8> {
    let (said, heard) = mpsc::channel();
    let most = PIPE + MOST_FOR_A_BYTE * input.len();
    let input = input.to_vec();
    let visit = move |thread: &Rc<Thread>| {
        let thread = Rc::clone(thread);
        spawn_local(async move {
            let answer = visit(&thread, protocol, input, portion).await;
            let _ = said.send(answer);
        });
    };
    ENGINE.run(0, visit).expect("the engine runs");
    let answer = heard.recv_timeout(PATIENCE).expect("a connection ends with its client");
    assert!(answer.len() <= most, "{} bytes came back", answer.len());
    answer
}

async fn visit(thread: &Rc<Thread>, protocol: Protocol, input: Vec<u8>, portion: usize) -> Vec<u8> {
    let (near, far) = duplex(PIPE);
    let serving = serve(thread, protocol, far);
    let (mut reader, mut writer) = split(near);
    let reading = spawn_local(async move {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        answer
    });
    for part in input.chunks(portion) {
        if writer.write_all(part).await.is_err() {
            break;
        }
        yield_now().await;
    }
    let _ = writer.shutdown().await;
    serving.await.expect("a connection does not panic");
    reading.await.expect("reading does not panic")
}

fn serve(thread: &Rc<Thread>, protocol: Protocol, pipe: DuplexStream) -> JoinHandle<()> {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let peer = Peer {
        ip,
        ip_text: ip.to_string(),
        secure: true,
    };
    let open = Open::count(thread);
    let (thread, stream, handler) = (Rc::clone(thread), InMemory::new(pipe), Rc::new(Echo));
    spawn_local(async move {
        match protocol {
            Protocol::Http1 => h1::serve(stream, peer, thread, handler).await,
            Protocol::Http2 => h2::serve(stream, peer, thread, h2::Crew::new(handler)).await,
        }
        drop(open);
    })
}

/// Half of a pipe. Its socket is there to be asked about resets, and never has one.
struct InMemory {
    pipe: DuplexStream,
    socket: Rc<TcpStream>,
}

impl InMemory {
    fn new(pipe: DuplexStream) -> Self {
        let socket = SOCKET.with(|socket| Rc::clone(socket.get_or_init(|| Rc::new(quiet_socket().expect("loopback")))));
        Self { pipe, socket }
    }
}

fn quiet_socket() -> io::Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let socket = StdTcpStream::connect(listener.local_addr()?)?;
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket)
}

impl ClientStream for InMemory {
    fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn reset_on_close(&self) {}
}

impl AsyncRead for InMemory {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for InMemory {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// Answers with the request's body and trailers, or with a page where there is none; ends a request that breaks off.
struct Echo;

impl Handler for Echo {
    async fn handle<X: Exchange>(&self, exchange: &mut X) {
        let mut data = BytesMut::new();
        let first = poll_fn(|cx| exchange.poll_body(cx, &mut data)).await;
        exchange.interim(103, std::iter::once(Field::new(b"link", b"</style.css>")));
        match first {
            Ok(Part::End) if data.is_empty() => page(exchange).await,
            Ok(part) => echo(exchange, data, part).await,
            Err(_) => {}
        }
    }
}

async fn page(exchange: &mut impl Exchange) {
    let head = exchange.request().is_head();
    let body = match head {
        true => ReplyBody::Empty(Some(PAGE as u64)),
        false => ReplyBody::Length(PAGE as u64),
    };
    exchange.start(200, b"OK", std::iter::empty(), body);
    let mut data = BytesMut::from(&[b'x'; PAGE][..]);
    if head || poll_fn(|cx| exchange.poll_write(cx, &mut data)).await.is_ok() {
        let _ = poll_fn(|cx| exchange.poll_finish(cx, None)).await;
    }
}

async fn echo(exchange: &mut impl Exchange, mut data: BytesMut, mut part: Part) {
    let head = exchange.request().is_head();
    let body = match head {
        true => ReplyBody::Empty(None),
        false => ReplyBody::Streamed,
    };
    exchange.start(200, b"OK", std::iter::empty(), body);
    loop {
        if head {
            data.clear();
        }
        if poll_fn(|cx| exchange.poll_write(cx, &mut data)).await.is_err() {
            return;
        }
        if part == Part::End {
            break;
        }
        match poll_fn(|cx| exchange.poll_body(cx, &mut data)).await {
            Ok(next) => part = next,
            Err(_) => return,
        }
    }
    let mut trailers = Fields::new();
    for field in exchange.trailers().into_iter().flat_map(Fields::iter) {
        trailers.push(field.name, field.value);
    }
    let _ = poll_fn(|cx| exchange.poll_finish(cx, Some(&trailers))).await;
}
