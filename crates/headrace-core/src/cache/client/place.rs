//! Where a cache server is: its addresses, found without holding up a caller for longer than it wants to wait.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::Failure;
use crate::net::address::Address;

/// How long the addresses of a name are taken for true.
const REMEMBERED: Duration = Duration::from_secs(30);

type Found = Arc<Mutex<Option<(Instant, Vec<SocketAddr>)>>>;

#[derive(Debug)]
pub(super) struct Place {
    address: Address,
    found: Found,
}

impl Place {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            found: Found::default(),
        }
    }

    /// The addresses, where that needs no waiting.
    pub(super) fn known(&self) -> Option<Vec<SocketAddr>> {
        if let Address::Socket(address) = &self.address {
            return Some(vec![*address]);
        }
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found
            .as_ref()
            .filter(|(when, _)| when.elapsed() < REMEMBERED)
            .map(|(_, addresses)| addresses.clone())
    }

    /// How many addresses there are, where that needs no waiting.
    pub(super) fn count(&self) -> Option<usize> {
        match &self.address {
            Address::Socket(_) => Some(1),
            _ => self.known().map(|addresses| addresses.len()),
        }
    }

    /// The addresses. A name is looked up by a thread that nobody waits for beyond `deadline`; what it finds later serves
    /// later callers.
    pub(super) fn find(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let Address::Named(host, port) = &self.address else {
            return Err(Failure::Away("Unix sockets are not supported here".to_owned()));
        };
        let (name, found) = ((host.clone(), *port), Arc::clone(&self.found));
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let _ = sender.send(look_up(&name, &found));
        });
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(looked_up) => looked_up.map_err(|error| Failure::Away(error.to_string())),
            Err(_) => Err(Failure::late()),
        }
    }

    /// Puts the address that answers before those that don't.
    pub(super) fn prefer(&self, address: SocketAddr) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, addresses)) = &mut *found
            && let Some(at) = addresses.iter().position(|one| *one == address)
        {
            addresses.swap(0, at);
        }
    }
}

fn look_up(name: &(String, u16), found: &Found) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<_> = (name.0.as_str(), name.1).to_socket_addrs()?.collect();
    *found.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), addresses.clone()));
    Ok(addresses)
}
