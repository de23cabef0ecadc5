//! A server for tests that says, connection by connection, what a script tells it.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread::{self, JoinHandle},
};

/// Answers requests without bodies: each connection gets the answers of one list, then is closed. Gives its URL, and at the end
/// the requests.
pub(crate) fn server(script: Vec<Vec<&'static str>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let mut seen = Vec::new();
        for answers in script {
            let (mut socket, _) = listener.accept().unwrap();
            for answer in answers {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                seen.push(String::from_utf8(request).unwrap());
                socket.write_all(answer.as_bytes()).unwrap();
            }
        }
        seen
    });
    (url, thread)
}
