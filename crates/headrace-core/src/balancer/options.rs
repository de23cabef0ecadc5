//! How the balancer treats requests and servers. Each default names whose precedent it follows.

use std::{net::IpAddr, time::Duration};

use super::edge_cache::EdgeOptions;
use crate::net::network::Network;

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
