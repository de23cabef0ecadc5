//! Against servers that say, connection by connection, what a script tells them.

use std::{
    net::TcpListener,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::*;
use crate::client::scripted::server;

const HIT: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 4\r\n\r\nmill";
const GET: Call<'static> = Call::Get {
    key: "k",
    with_tags: false,
};

/// A client of a server with a script.
fn scripted(script: Vec<Vec<&'static str>>) -> (CacheClient, JoinHandle<Vec<String>>) {
    let (url, thread) = server(script);
    let client = CacheClient::new(&url, "t", None, Duration::from_secs(5)).unwrap();
    (client, thread)
}

/// Drains until so many calls are completed.
fn completed(flow: &mut Flow<u32>, count: usize) -> Vec<(u32, Result<u16, Failure>)> {
    let (mut all, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(20));
    while all.len() < count {
        assert!(Instant::now() < deadline);
        all.extend(
            flow.drain()
                .into_iter()
                .map(|(token, answer)| (token, answer.map(|answer| answer.status))),
        );
        thread::sleep(Duration::from_millis(1));
    }
    all
}

#[test]
fn calls_of_a_thread_go_over_one_connection() {
    let (client, thread) = scripted(vec![vec![HIT, HIT]]);
    for _ in 0..2 {
        let answer = client.call(&GET).unwrap();
        assert_eq!(
            (answer.status, &answer.body[..], answer.max_age),
            (200, &b"mill"[..], 9.0)
        );
    }
    let requests = thread.join().unwrap();
    assert!(requests[0].starts_with("GET /?key=k HTTP/1.1\r\nhost: 127.0.0.1:"));
    assert!(requests[0].contains("\r\nauthorization: Bearer t\r\n"));
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let (client, thread) = scripted(vec![vec![HIT], vec![HIT]]);
    assert_eq!(client.call(&GET).unwrap().status, 200);
    assert_eq!(client.call(&GET).unwrap().status, 200);
    assert_eq!(thread.join().unwrap().len(), 2);
}

#[test]
fn calls_of_an_event_loop_use_as_many_connections_as_they_are_at_once() {
    let (client, thread) = scripted(vec![vec![HIT], vec![HIT]]);
    let mut flow = Flow::new(client).unwrap();
    flow.submit(1, &GET).unwrap();
    flow.submit(2, &GET).unwrap();
    let mut all = completed(&mut flow, 2);
    all.sort_by_key(|(token, _)| *token);
    assert_eq!(all, [(1, Ok(200)), (2, Ok(200))]);
    assert_eq!(thread.join().unwrap().len(), 2);
}

#[test]
fn calls_beyond_the_most_connections_wait_in_line() {
    let script = (0..150).map(|_| vec![HIT, HIT, HIT]).collect();
    let (client, _thread) = scripted(script);
    let mut flow = Flow::new(client).unwrap();
    (0..300).for_each(|token| flow.submit(token, &GET).unwrap());
    // The script serves one connection after the other; each of them carries three calls.
    let mut tokens: Vec<_> = completed(&mut flow, 300).into_iter().map(|(token, _)| token).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, (0..300).collect::<Vec<_>>());
}

#[test]
fn a_call_that_is_late_is_completed_as_late_and_the_others_go_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = CacheClient::new(&url, "", None, Duration::from_millis(50)).unwrap();
    let mut flow = Flow::new(client).unwrap();
    let lease = Call::Lease {
        key: "k",
        hold: Duration::from_secs(9),
        wait: Duration::from_millis(300),
        with_tags: false,
    };
    let began = Instant::now();
    flow.submit(1, &lease).unwrap();
    flow.submit(2, &GET).unwrap();
    assert_eq!(completed(&mut flow, 1), [(2, Err(Failure::late()))]);
    assert_eq!(completed(&mut flow, 1), [(1, Err(Failure::late()))]);
    assert!(began.elapsed() >= Duration::from_millis(350));
}

#[test]
fn statuses_mean_answers_absences_refusals() {
    let of = |status| {
        meaning(Answer {
            status,
            ..Answer::default()
        })
    };
    for status in [200, 204, 404, 409] {
        assert_eq!(of(status).unwrap().status, status);
    }
    for status in [301, 408, 429, 500, 503] {
        assert!(matches!(of(status), Err(Failure::Away(_))), "{status}");
    }
    assert!(matches!(
        (of(401), of(403)),
        (Err(Failure::Denied(_)), Err(Failure::Denied(_)))
    ));
    assert!(matches!(
        (of(400), of(413)),
        (Err(Failure::Refused(_)), Err(Failure::Refused(_)))
    ));
}
