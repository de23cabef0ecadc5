//! How the balancer treats requests and servers. Each default names whose precedent it follows.

use std::{net::IpAddr, str::FromStr, time::Duration};

use super::edge_cache::EdgeOptions;
use crate::error::Error;

#[derive(Debug, Clone)]
pub struct Options {
    /// Caddy.
    pub connect_timeout: Duration,
    /// From the request's last byte to the response's head (kamal-proxy).
    pub response_timeout: Duration,
    /// A response or a tunnel may pause so long (Envoy).
    pub stream_idle_timeout: Duration,
    /// Per server and thread (nginx).
    pub idle_connections: usize,
    /// Shorter than the 75 s of app servers, so that the balancer is the one who closes.
    pub idle_timeout: Duration,
    /// Retries under way, as a part of the requests under way, and how many are always allowed (Envoy).
    pub retry_budget: f64,
    pub retry_budget_min: usize,
    pub retry_backoff_min: Duration,
    pub retry_backoff_max: Duration,
    /// Requests that wait for a server at once, and how long (Envoy, `HAProxy`).
    pub queue_length: usize,
    pub queue_timeout: Duration,
    /// Of a request, where its route says nothing else (Hypercorn).
    pub max_body: u64,
    /// Hops whose forwarded fields and request ids are kept.
    pub trusted: Vec<Network>,
    /// What responses say in `Server`; with none what the app says.
    pub server: Option<String>,
    /// With none there is no `Via` field.
    pub via: Option<Via>,
    /// Whether RFC 7239's `Forwarded` is added.
    pub forwarded: bool,
    /// For the routes that have it.
    pub edge_cache: EdgeOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            response_timeout: Duration::from_secs(30),
            stream_idle_timeout: Duration::from_secs(300),
            idle_connections: 32,
            idle_timeout: Duration::from_secs(55),
            retry_budget: 0.2,
            retry_budget_min: 3,
            retry_backoff_min: Duration::from_millis(25),
            retry_backoff_max: Duration::from_millis(250),
            queue_length: 1024,
            queue_timeout: Duration::from_secs(5),
            max_body: 16 * 1024 * 1024,
            trusted: Vec::new(),
            server: None,
            via: None,
            forwarded: false,
            edge_cache: EdgeOptions::default(),
        }
    }
}

impl Options {
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(ip))
    }
}

/// Our entry in `Via` (RFC 9110, 7.6.3).
#[derive(Debug, Clone)]
pub struct Via {
    pub pseudonym: String,
    /// The entry for what came from a server, which always speaks HTTP/1.1.
    pub of_response: String,
}

impl Via {
    pub fn new(pseudonym: &str) -> Self {
        Self {
            pseudonym: pseudonym.to_owned(),
            of_response: format!("1.1 {pseudonym}"),
        }
    }
}

/// A range of addresses such as `10.0.0.0/8`; a single address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    mask: u128,
    v6: bool,
}

fn bits(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    }
}

impl Network {
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv6() == self.v6 && bits(ip).0 & self.mask == self.bits
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::Engine(format!(
                "{text:?} is no network; write an IP address or a range such as 10.0.0.0/8"
            ))
        };
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let (value, width) = bits(ip);
        let prefix: u8 = prefix.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        let host_bits = width.checked_sub(prefix).ok_or_else(wrong)?;
        let all = u128::MAX >> (128 - width);
        let mask = all & u128::MAX.checked_shl(host_bits.into()).unwrap_or(0);
        Ok(Self {
            bits: value & mask,
            mask,
            v6: ip.is_ipv6(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(network: &str, ip: &str) -> bool {
        network.parse::<Network>().unwrap().contains(ip.parse().unwrap())
    }

    #[test]
    fn a_network_contains_its_own_addresses_only() {
        assert!(within("10.0.0.0/8", "10.255.0.1"));
        assert!(!within("10.0.0.0/8", "11.0.0.1"));
        assert!(within("0.0.0.0/0", "1.2.3.4"));
        assert!(!within("0.0.0.0/0", "::1"));
        assert!(within("::/0", "fe80::1"));
        assert!(within("127.0.0.1", "127.0.0.1"));
        assert!(!within("127.0.0.1", "127.0.0.2"));
        assert!(within("2001:db8::/32", "2001:db8:1::5"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "ten"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
