//! One probe: is the server there and does it say that it is ready? What follows from that is decided elsewhere.

use std::{io, time::Duration, time::Instant};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    engine::{Engine, Event},
    error::Error,
    http::head::{HeadLimits, ResponseTo, parse_response},
    net::{address::Address, stream::ServerStream, tls::ClientTls},
};

#[derive(Debug, Clone)]
pub struct Probe {
    pub server: String,
    pub address: Address,
    pub tls: Option<ClientTls>,
    pub path: String,
    pub timeout: Duration,
}

/// Starts a probe on the engine's first thread; the outcome comes as an event, and from a stopped engine not at all.
pub fn probe(engine: &Engine, probe: Probe) -> Result<(), Error> {
    if !probe.path.starts_with('/') || probe.path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(Error::Engine(format!(
            "the path {:?} must begin with / and hold no spaces",
            probe.path
        )));
    }
    let run = engine.run(0, |thread| {
        let shared = thread.shared().clone();
        tokio::task::spawn_local(async move {
            let began = Instant::now();
            let limit = probe.timeout;
            let outcome = match timeout(limit, ask(&probe)).await {
                Ok(Ok(status)) if (200..300).contains(&status) => Ok(()),
                Ok(Ok(status)) => Err(format!("it answered {status}")),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer within {} s", limit.as_secs_f64())),
            };
            shared.events.push(Event::Probe {
                server: probe.server,
                outcome,
                took: began.elapsed(),
            });
        });
    });
    // Whoever probes may not have heard yet that the engine has stopped.
    drop(run);
    Ok(())
}

async fn ask(probe: &Probe) -> io::Result<u16> {
    let mut stream = ServerStream::connect(&probe.address, probe.tls.as_ref()).await?;
    let host = probe.address.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: headrace\r\nConnection: close\r\n\r\n",
        probe.path
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut input = BytesMut::new();
    let to = ResponseTo {
        head: false,
        upgrade: false,
    };
    loop {
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::Error::other("it closed the connection without an answer"));
        }
        let parsed = parse_response(&input, &HeadLimits::default(), to, |head| head.status);
        match parsed.map_err(|bad| io::Error::other(bad.0))? {
            Some((length, status)) if status < 200 => drop(input.split_to(length)),
            Some((_, status)) => return Ok(status),
            None => {}
        }
    }
}
