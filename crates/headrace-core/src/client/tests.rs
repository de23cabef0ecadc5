//! Against a server that says, connection by connection, what a script tells it.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use super::{scripted::server, *};

const GET: Request<'static> = Request {
    method: "GET",
    target: "/mill",
    fields: &[("authorization", "Bearer t")],
    body: b"",
};

fn client(url: &str) -> Client {
    let patience = Patience {
        read: Duration::from_millis(200),
        body: 1000,
        ..Patience::default()
    };
    Client::new(Origin::parse(url, None).unwrap(), patience)
}

#[test]
fn responses_of_all_framings_are_read_over_one_connection() {
    let (url, thread) = server(vec![vec![
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After: 3\r\n\r\nwater",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nmil\r\n1\r\nl\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nto the end",
    ]]);
    let mut client = client(&url);
    let answers: Vec<_> = (0..4).map(|_| client.send(&GET).unwrap()).collect();
    let told: Vec<_> = answers.iter().map(|answer| (answer.status, &answer.body[..])).collect();
    let expected: [(u16, &[u8]); 4] = [(200, b"water"), (201, b"mill"), (204, b""), (200, b"to the end")];
    assert_eq!(told, expected);
    assert_eq!(answers[0].field("retry-after"), Some("3"));
    let host = url.strip_prefix("http://").unwrap();
    let request = format!("GET /mill HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer t\r\n\r\n");
    assert_eq!(thread.join().unwrap(), vec![request; 4]);
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (url, thread) = server(vec![vec![whole], vec![whole]]);
    let mut client = client(&url);
    assert_eq!(client.send(&GET).unwrap().status, 200);
    assert_eq!(client.send(&GET).unwrap().status, 200);
    assert_eq!(thread.join().unwrap().len(), 2);
}

#[test]
fn what_is_no_whole_response_fails() {
    let large = "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n";
    for (answer, why) in [
        ("", Failure::Broken("it was closed".into())),
        ("HTTP/1.1 200 OK\r\nContent-Le", Failure::Broken("it was closed".into())),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nmill",
            Failure::Broken("the connection ended before the body".into()),
        ),
        (
            "SMTP ready\r\n",
            Failure::Malformed("the HTTP version is neither 1.0 nor 1.1"),
        ),
    ] {
        let (url, thread) = server(vec![vec![answer]]);
        assert_eq!(client(&url).send(&GET).err(), Some(why), "{answer:?}");
        thread.join().unwrap();
    }
    let long: &'static str = Box::leak(format!("{large}{}", "x".repeat(2000)).into_boxed_str());
    let (url, thread) = server(vec![vec![long]]);
    let failure = client(&url).send(&GET).err();
    assert_eq!(failure, Some(Failure::Malformed("the body is too large")));
    thread.join().unwrap();
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_forever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let failure = client(&url).send(&GET).err();
    assert_eq!(failure, Some(Failure::Broken("it took too long".into())));
}

#[test]
fn another_thread_can_cut_the_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut client = Client::new(Origin::parse(&url, None).unwrap(), Patience::default());
    let cutter = client.cutter();
    let started = Instant::now();
    let cutting = thread::spawn(move || {
        let _accepted = listener.accept().unwrap();
        while started.elapsed() < Duration::from_secs(20) {
            cutter.cut();
            thread::sleep(Duration::from_millis(5));
        }
    });
    assert!(matches!(client.send(&GET), Err(Failure::Broken(_))));
    assert!(started.elapsed() < Duration::from_secs(15));
    drop(cutting);
}

#[test]
fn nobody_at_the_address_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(client(&url).send(&GET), Err(Failure::Connect(_))));
}

#[test]
fn urls_are_read() {
    for (url, shown, head) in [
        (
            "http://127.0.0.1:6000",
            "http://127.0.0.1:6000",
            "GET /mill HTTP/1.1\r\nhost: 127.0.0.1:6000\r\n",
        ),
        ("http://[::1]/", "http://[::1]", "GET /mill HTTP/1.1\r\nhost: [::1]\r\n"),
        (
            "http://logs.example/in/",
            "http://logs.example/in",
            "GET /in/mill HTTP/1.1\r\nhost: logs.example\r\n",
        ),
    ] {
        let origin = Origin::parse(url, None).unwrap();
        assert_eq!(origin.to_string(), shown);
        assert!(String::from_utf8_lossy(&origin.head(&GET)).starts_with(head), "{url}");
    }
    for url in [
        "",
        "logs",
        "ftp://a",
        "http://",
        "http://a b/",
        "http://u@a/",
        "http://a/?q",
        "https://a:1",
        "http://a/\r\nb",
    ] {
        assert!(Origin::parse(url, None).is_err(), "{url}");
    }
}
