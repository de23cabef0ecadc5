//! Against a store that answers each upload by a rule.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::*;

/// An upload as it came: the head's first line and fields in lower case, and the body.
#[derive(Debug, Clone)]
struct Put {
    /// The port of whoever sent it.
    peer: u16,
    head: Vec<String>,
    body: String,
}

type Seen = Arc<Mutex<Vec<Put>>>;

/// Answers what `rule` says to the body of each upload, over connections that stay; ends with the test's process.
fn store(rule: fn(&str) -> &'static str) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/bucket", listener.local_addr().unwrap());
    let seen = Seen::default();
    let to = seen.clone();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let to = to.clone();
            thread::spawn(move || serve(socket, rule, &to));
        }
    });
    (url, seen)
}

fn serve(mut socket: TcpStream, rule: fn(&str) -> &'static str, seen: &Seen) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    while let Some(put) = read(&mut reader) {
        let answer = rule(&put.body);
        seen.lock().unwrap().push(put);
        if answer.is_empty() || socket.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Put> {
    let lines = reader.by_ref().lines().map_while(Result::ok);
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Put {
        peer: reader.get_ref().peer_addr().ok()?.port(),
        head,
        body: String::from_utf8(body).ok()?,
    })
}

const TAKEN: &str = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n";

fn to(url: &str) -> Store {
    Store::new(Options {
        url: url.to_owned(),
        ca: None,
        region: "us-east-1".to_owned(),
        access_key: "key".to_owned(),
        secret_key: "secret".to_owned(),
        patience: Patience::default(),
    })
    .unwrap()
}

/// Uploads with so many threads at once.
fn upload(store: &Store, objects: &Objects<String>, threads: usize) -> Vec<Refused> {
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| store.upload(objects, true)))
            .collect();
        all.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    })
}

fn objects(count: u64) -> Objects<String> {
    let lines: Vec<_> = (1..=count).map(|number| format!("{{\"n\":{number}}}\n")).collect();
    let naming = Naming {
        before: "dt=1/node-".to_owned(),
        digits: 3,
        after: ".json".to_owned(),
    };
    Objects::new(
        vec![Run {
            numbers: (1..=count).collect(),
            lines: lines.concat(),
        }],
        &naming,
    )
}

#[test]
fn each_payload_becomes_an_object_under_its_own_key() {
    let (url, seen) = store(|_| TAKEN);
    assert_eq!(upload(&to(&url), &objects(50), 4), []);
    let mut puts = seen.lock().unwrap().clone();
    puts.sort_by(|one, other| one.head[0].cmp(&other.head[0]));
    assert_eq!(puts.len(), 50);
    for (number, put) in (1..).zip(&puts) {
        assert_eq!(
            put.head[0],
            format!("PUT /bucket/dt%3D1/node-{number:03}.json HTTP/1.1")
        );
        assert_eq!(put.body, format!("{{\"n\":{number}}}"));
    }
}

#[test]
fn an_upload_says_who_sends_what() {
    let (url, seen) = store(|_| TAKEN);
    to(&url).upload(&objects(1), true);
    to(&url).upload(&objects(1), false);
    let puts = seen.lock().unwrap();
    let has = |put: &Put, start: &str| put.head.iter().any(|line| line.starts_with(start));
    let hash = format!("x-amz-content-sha256: {}", hashed(b"{\"n\":1}"));
    for start in [
        "host: 127.0.0.1:",
        "content-type: application/octet-stream",
        &hash,
        "x-amz-date: 20",
    ] {
        assert!(has(&puts[0], start), "{start}: {puts:?}");
    }
    let signed = "content-type;host;if-none-match;x-amz-content-sha256;x-amz-date,";
    let by = puts[0]
        .head
        .iter()
        .find(|line| line.starts_with("authorization: AWS4-HMAC-SHA256 Credential=key/"));
    assert!(by.unwrap().contains(signed));
    assert!(has(&puts[0], "if-none-match: *"));
    assert!(!has(&puts[1], "if-none-match"));
}

#[test]
fn what_is_refused_comes_back_and_the_next_call_goes_on_behind_it() {
    let (url, seen) = store(|body| match body {
        "{\"n\":7}" => "HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 21\r\n\r\n<Code>SlowDown</Code>",
        _ => TAKEN,
    });
    let (store, objects) = (to(&url), objects(40));
    let refused = store.upload(&objects, true);
    let expected = Refused {
        number: 7,
        payload: b"{\"n\":7}".to_vec(),
        status: Some(503),
        text: "<Code>SlowDown</Code>".to_owned(),
        retry_after: Some(Duration::from_secs(9)),
    };
    assert_eq!(refused, Some(expected));
    assert_eq!(seen.lock().unwrap().len(), 7);
    assert_eq!(upload(&store, &objects, 4), []);
    let mut bodies: Vec<_> = seen.lock().unwrap().iter().map(|put| put.body.clone()).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 40);
}

#[test]
fn where_nobody_answers_that_is_said() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = to(&format!("http://{free}/bucket")).upload(&objects(3), true).unwrap();
    assert_eq!((refused.number, refused.status), (1, None));
    assert!(refused.text.starts_with("no connection: "), "{}", refused.text);
}

#[test]
fn a_connection_that_ends_without_an_answer_is_told() {
    let (url, _) = store(|_| "");
    let refused = to(&url).upload(&objects(3), true).unwrap();
    assert_eq!((refused.number, refused.status), (1, None));
    assert!(refused.text.starts_with("the connection failed: "), "{}", refused.text);
}

#[test]
fn connections_are_kept_from_one_call_to_the_next() {
    let (url, seen) = store(|_| TAKEN);
    let store = to(&url);
    for _ in 0..3 {
        assert_eq!(upload(&store, &objects(30), 4), []);
    }
    let mut seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 90);
    seen.sort_by_key(|put| put.peer);
    seen.dedup_by_key(|put| put.peer);
    assert!(seen.len() <= 4, "{} connections", seen.len());
}
