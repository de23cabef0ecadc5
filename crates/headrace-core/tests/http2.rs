//! HTTP/2 over real sockets, without TLS and without a balancer: what a handler sees, what a client is told, and how
//! long either is waited for.
#![allow(clippy::unwrap_used, reason = "helpers of tests stop where the unexpected happens")]

use std::{
    future::poll_fn,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::ready,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, client, client::SendRequest};
use headrace_core::{
    engine::{Engine, Open, Thread},
    http::{
        exchange::{BodyError, Exchange, Handler, Part, Peer, ReplyBody},
        h2::{Crew, serve},
        reply::Problem,
    },
    limits::Limits,
    metrics::Refused,
};

const PATIENCE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);

struct Answers {
    /// How often a client was gone before its answer was whole.
    gone: Arc<AtomicUsize>,
}

impl Answers {
    async fn send(&self, exchange: &mut impl Exchange, body: &[u8], length: u64) {
        exchange.start(200, b"", std::iter::empty(), ReplyBody::Length(length));
        let mut data = BytesMut::from(body);
        let sent = poll_fn(|cx| {
            ready!(exchange.poll_write(cx, &mut data))?;
            exchange.poll_finish(cx, None)
        });
        if sent.await.is_err() {
            self.gone.fetch_add(1, SeqCst);
        }
    }
}

impl Handler for Answers {
    async fn handle<X: Exchange>(&self, exchange: &mut X) {
        match exchange.request().path() {
            b"/echo" => echo(exchange).await,
            b"/early" => self.send(exchange, b"early", 5).await,
            b"/cut" => self.send(exchange, b"half", 8).await,
            b"/large" => self.send(exchange, &vec![b'x'; 1024 * 1024], 1024 * 1024).await,
            b"/wait" => {
                poll_fn(|cx| exchange.poll_gone(cx)).await;
                self.gone.fetch_add(1, SeqCst);
            }
            _ => {}
        }
    }
}

async fn echo(exchange: &mut impl Exchange) {
    let mut data = BytesMut::new();
    loop {
        let part = poll_fn(|cx| exchange.poll_body(cx, &mut data)).await;
        if part == Err(BodyError::TooSlow) {
            let problem = Problem::new(Refused::RequestTimeout, "too slow");
            return problem.send(exchange, None).await;
        }
        if !exchange.started() {
            exchange.start(200, b"", std::iter::empty(), ReplyBody::Streamed);
        }
        let sent = poll_fn(|cx| exchange.poll_write(cx, &mut data)).await;
        match (part, sent) {
            (Ok(Part::Data), Ok(())) => {}
            (Ok(Part::End), Ok(())) => break,
            _ => return,
        }
    }
    let _ = poll_fn(|cx| exchange.poll_finish(cx, None)).await;
}

/// An engine that speaks HTTP/2 from the first byte.
struct Served {
    engine: Engine,
    address: SocketAddr,
    gone: Arc<AtomicUsize>,
}

fn serving(change: impl FnOnce(&mut Limits)) -> Served {
    let mut limits = Limits::default();
    change(&mut limits);
    let engine = Engine::start(1, limits).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let gone = Arc::new(AtomicUsize::new(0));
    let answers = Answers {
        gone: Arc::clone(&gone),
    };
    let accept = |thread: &Rc<Thread>| {
        let (thread, crew) = (Rc::clone(thread), Crew::new(Rc::new(answers)));
        tokio::task::spawn_local(async move {
            let listener = tokio::net::TcpListener::from_std(socket).unwrap();
            while let Ok((stream, address)) = listener.accept().await {
                let peer = Peer {
                    ip: address.ip(),
                    ip_text: address.ip().to_string(),
                    secure: false,
                };
                let open = Open::count(&thread);
                let connection = serve(stream, peer, Rc::clone(&thread), Rc::clone(&crew));
                tokio::task::spawn_local(async move {
                    connection.await;
                    drop(open);
                });
            }
        });
    };
    engine.run(0, accept).unwrap();
    Served { engine, address, gone }
}

impl Served {
    /// Runs `work` with a polite client.
    fn with_client<F: Future>(&self, work: impl FnOnce(SendRequest<Bytes>) -> F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let socket = tokio::net::TcpStream::connect(self.address).await.unwrap();
            let (requests, connection) = client::handshake(socket).await.unwrap();
            tokio::spawn(connection);
            tokio::time::timeout(PATIENCE, work(requests.ready().await.unwrap()))
                .await
                .unwrap()
        })
    }

    /// A client of which every byte is the test's own, after preface and settings.
    fn raw(&self) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        socket.write_all(&frame(SETTINGS, 0, 0, b"")).unwrap();
        socket
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A GET of `path` without Huffman coding, or a POST that goes on.
fn request(stream: u32, path: &str, ended: bool) -> Vec<u8> {
    let method: u8 = if ended { 0x82 } else { 0x83 };
    let mut block = vec![method, 0x87, 0x01, 4];
    block.extend_from_slice(b"mill\x04");
    block.push(u8::try_from(path.len()).unwrap());
    block.extend_from_slice(path.as_bytes());
    frame(
        HEADERS,
        END_HEADERS | if ended { END_STREAM } else { 0 },
        stream,
        &block,
    )
}

/// All frames until the connection ends: kind, stream, payload.
fn frames(socket: &mut TcpStream) -> Vec<(u8, u32, Vec<u8>)> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = socket.read_to_end(&mut bytes);
    let mut rest = &bytes[..];
    let mut found = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = after.get(..length).unwrap_or(after);
        found.push((head[3], stream, payload.to_vec()));
        rest = after.get(length..).unwrap_or_default();
    }
    found
}

/// Reads until the connection ends; the last word, if that was a GOAWAY.
fn goodbye(socket: &mut TcpStream) -> Option<u32> {
    let frames = frames(socket);
    let (_, _, payload) = frames.iter().rev().find(|(kind, ..)| *kind == GOAWAY)?;
    payload
        .get(4..8)
        .and_then(|code| code.try_into().ok())
        .map(u32::from_be_bytes)
}

async fn whole(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        all.extend_from_slice(&data);
    }
    Ok(all)
}

fn get(path: &str) -> http::Request<()> {
    http::Request::get(format!("https://mill{path}")).body(()).unwrap()
}

fn eventually(condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

#[test]
fn bodies_larger_than_all_windows_pass_both_ways() {
    let served = serving(|_| {});
    served.with_client(|mut requests| async move {
        let (response, mut upload) = requests.send_request(get("/echo"), false).unwrap();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let sending = async {
            let mut rest = Bytes::from(sent);
            while !rest.is_empty() {
                upload.reserve_capacity(rest.len());
                let room = poll_fn(|cx| upload.poll_capacity(cx)).await.unwrap().unwrap();
                upload
                    .send_data(rest.split_to(room.min(rest.len())), rest.is_empty())
                    .unwrap();
            }
        };
        let receiving = async { whole(response.await.unwrap().into_body()).await.unwrap() };
        let ((), received) = tokio::join!(sending, receiving);
        assert_eq!(received, expected);
    });
    assert_eq!(served.engine.shared().counters[0].requests_http2.get(), 1);
}

#[test]
fn a_response_that_is_not_finished_is_reset_after_what_was_written() {
    serving(|_| {}).with_client(|mut requests| async move {
        let (response, _) = requests.send_request(get("/cut"), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "half");
        let error = body.data().await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    });
}

#[test]
fn a_request_that_nobody_answers_is_reset_and_the_connection_goes_on() {
    serving(|_| {}).with_client(|mut requests| async move {
        let (response, _) = requests.send_request(get("/nobody"), true).unwrap();
        assert_eq!(response.await.unwrap_err().reason(), Some(Reason::INTERNAL_ERROR));
        let (response, _) = requests.send_request(get("/early"), true).unwrap();
        assert_eq!(whole(response.await.unwrap().into_body()).await.unwrap(), b"early");
    });
}

#[test]
fn an_early_response_is_whole_and_the_rest_of_the_request_unwanted_without_blame() {
    serving(|_| {}).with_client(|mut requests| async move {
        let (response, mut upload) = requests.send_request(get("/early"), false).unwrap();
        assert_eq!(whole(response.await.unwrap().into_body()).await.unwrap(), b"early");
        let reason = poll_fn(|cx| upload.poll_reset(cx)).await.unwrap();
        assert_eq!(reason, Reason::NO_ERROR);
    });
}

#[test]
fn handlers_are_told_of_resets_and_of_windows_that_stay_closed() {
    let served = serving(|limits| limits.write_idle_timeout = SHORT);
    let mut socket = served.raw();
    socket.write_all(&request(1, "/wait", true)).unwrap();
    socket.write_all(&request(3, "/large", true)).unwrap();
    assert!(eventually(|| served.gone.load(SeqCst) == 1), "the window");
    socket.write_all(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).unwrap();
    assert!(eventually(|| served.gone.load(SeqCst) == 2), "the reset");
    served.engine.stop(SHORT);
    let (_, _, code) = frames(&mut socket)
        .into_iter()
        .find(|(kind, ..)| *kind == RST_STREAM)
        .unwrap();
    assert_eq!(code, [0, 0, 0, 2], "INTERNAL_ERROR");
}

#[test]
fn a_body_that_stops_is_answered_with_408() {
    let served = serving(|limits| limits.body_idle_timeout = SHORT);
    served.with_client(|mut requests| async move {
        let (response, _upload) = requests.send_request(get("/echo"), false).unwrap();
        assert_eq!(response.await.unwrap().status(), 408);
    });
}

#[test]
fn silence_and_unfinished_heads_are_cut() {
    let served = serving(|limits| limits.header_timeout = SHORT);
    let mut silent = TcpStream::connect(served.address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut halved = served.raw();
    halved.write_all(&request(1, "/early", true)[..12]).unwrap();
    let mut continued = served.raw();
    continued.write_all(&frame(HEADERS, 0, 1, b"\x82")).unwrap();
    let mut body = served.raw();
    body.write_all(&request(1, "/echo", false)).unwrap();
    body.write_all(&frame(DATA, END_STREAM, 1, b"12345678")[..13]).unwrap();
    for socket in [&mut silent, &mut halved, &mut continued] {
        frames(socket);
    }
    body.write_all(b"5678").unwrap();
    assert!(served.engine.stop(PATIENCE));
    let echoed = frames(&mut body).into_iter().filter(|(kind, ..)| *kind == DATA);
    assert_eq!(echoed.flat_map(|(_, _, data)| data).collect::<Vec<_>>(), b"12345678");
}

#[test]
fn an_idle_client_is_told_to_go_and_left_if_it_does_not() {
    let served = serving(|limits| limits.keep_alive_http2 = SHORT);
    assert_eq!(goodbye(&mut served.raw()), Some(0));
}

#[test]
fn a_client_that_does_not_read_is_left() {
    let served = serving(|limits| limits.write_idle_timeout = SHORT);
    let mut socket = served.raw();
    let large = frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    socket.write_all(&large).unwrap();
    socket.write_all(&frame(8, 0, 0, &[0x7f, 0, 0, 0])).unwrap();
    (0..50).for_each(|n| socket.write_all(&request(1 + 2 * n, "/large", true)).unwrap());
    assert!(eventually(|| served.gone.load(SeqCst) == 50));
}

#[test]
fn a_flood_is_ended_with_a_word_that_arrives() {
    let served = serving(|_| {});
    let mut socket = served.raw();
    let pings = frame(PING, 0, 0, b"12345678").repeat(2000);
    let _ = socket.write_all(&pings);
    assert_eq!(goodbye(&mut socket), Some(Reason::ENHANCE_YOUR_CALM.into()));
}

#[test]
fn stopping_lets_streams_end() {
    let served = Arc::new(serving(|_| {}));
    let stopping = Arc::clone(&served);
    let stop = served.with_client(|mut requests| async move {
        let (response, mut upload) = requests.send_request(get("/echo"), false).unwrap();
        upload.send_data(Bytes::from_static(b"first"), false).unwrap();
        let mut body = response.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "first");
        let stop = std::thread::spawn(move || stopping.engine.stop(PATIENCE));
        upload.send_data(Bytes::from_static(b"last"), true).unwrap();
        assert_eq!(whole(body).await.unwrap(), b"last");
        stop
    });
    assert!(stop.join().unwrap());
}
