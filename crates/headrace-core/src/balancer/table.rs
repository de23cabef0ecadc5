//! The routing table: what Python hands over, checked, and the same bound to the servers' states.
//!
//! A table never changes. A new one takes its place in one pointer; requests that began with the old one end with it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Line, compression::Compression, queue::Queue, server::State};
use crate::{
    error::Error,
    http::head::Request,
    net::{address::Address, tls::ClientTls},
};

/// The heaviest a server can be; bounds the length of a schedule.
const MAX_WEIGHT: u32 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// Of two taken at random the one with fewer requests in flight.
    LeastLoaded,
}

#[derive(Debug, Clone)]
pub struct ServerSpec {
    pub id: String,
    pub address: Address,
    pub tls: Option<ClientTls>,
    pub weight: u32,
    /// The most requests in flight; 0 for any.
    pub capacity: usize,
}

#[derive(Debug, Clone)]
pub struct ServiceSpec {
    pub name: String,
    pub servers: Vec<ServerSpec>,
    pub policy: Policy,
    /// With no server: wait for one instead of refusing.
    pub hold: bool,
}

#[derive(Debug, Clone)]
pub struct RouteSpec {
    pub service: String,
    /// Lower case, without a port; empty for any.
    pub host: String,
    pub path: String,
    /// 0 for the balancer's own.
    pub max_body: u64,
    /// Its responses may come from the edge cache.
    pub cached: bool,
    /// They are compressed for who accepts it.
    pub compressed: bool,
}

/// A table as Python wrote it, free of contradictions.
#[derive(Debug, Clone)]
pub struct TableSpec {
    pub(super) services: Vec<ServiceSpec>,
    pub(super) routes: Vec<RouteSpec>,
}

impl TableSpec {
    pub fn new(services: Vec<ServiceSpec>, routes: Vec<RouteSpec>) -> Result<Self, Error> {
        let mut names = HashSet::new();
        for service in &services {
            if !names.insert(service.name.as_str()) {
                return Err(Error::Table(format!("the service {:?} is there twice", service.name)));
            }
            let mut ids = HashSet::new();
            for server in &service.servers {
                if !ids.insert(server.id.as_str()) {
                    let (id, name) = (&server.id, &service.name);
                    return Err(Error::Table(format!(
                        "the server {id:?} is twice in the service {name:?}"
                    )));
                }
            }
        }
        for route in &routes {
            if !names.contains(route.service.as_str()) {
                return Err(Error::Table(format!(
                    "a route leads to {:?}, which is no service",
                    route.service
                )));
            }
            if !route.path.starts_with('/') {
                return Err(Error::Table(format!("the path {:?} must begin with /", route.path)));
            }
        }
        Ok(Self { services, routes })
    }
}

impl ServerSpec {
    pub fn checked(self) -> Result<Self, Error> {
        let (id, weight) = (&self.id, self.weight);
        match weight {
            1..=MAX_WEIGHT => Ok(self),
            _ => Err(Error::Table(format!(
                "the weight of {id:?} must be 1 to {MAX_WEIGHT}, not {weight}"
            ))),
        }
    }
}

/// A server as a service picks it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) state: Arc<State>,
    pub(super) address: Address,
    pub(super) tls: Option<ClientTls>,
    pub(super) weight: u32,
    pub(super) capacity: usize,
}

#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) targets: Vec<Arc<Target>>,
    /// Positions in `targets`, each as often as it weighs, spread evenly.
    pub(super) schedule: Vec<u32>,
    pub(super) policy: Policy,
    pub(super) hold: bool,
    pub(super) queue: Arc<Queue>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) services: Vec<Service>,
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    service: usize,
    host: String,
    path: String,
    max_body: u64,
    cached: bool,
    compression: Compression,
}

/// Where a request goes and how large it may be (0: as large as the balancer says).
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination {
    pub(super) service: usize,
    pub(super) max_body: u64,
    pub(super) cached: bool,
    pub(super) compression: Compression,
}

impl Destination {
    /// The same for a response that may be stored as that to `request`, whatever request a server gets: in the coding by which it will
    /// be found.
    pub(super) fn for_variant(self, request: &Request) -> Self {
        Self {
            compression: self.compression.chosen_for(request),
            ..self
        }
    }
}

impl Table {
    /// Places each service at its number; a number whose service is not in `spec` stands for one without servers.
    pub(super) fn bind(spec: &TableSpec, state: impl Fn(&str) -> Arc<State>, lines: &HashMap<String, Line>) -> Self {
        let mut services: Vec<_> = (0..lines.len()).map(|_| Service::default()).collect();
        for service in &spec.services {
            if let Some(line) = lines.get(&service.name)
                && let Some(slot) = services.get_mut(line.number)
            {
                *slot = Service::bind(service, &state, Arc::clone(&line.queue));
            }
        }
        let routes = spec.routes.iter().filter_map(|route| {
            Some(Route {
                service: lines.get(&route.service)?.number,
                host: route.host.to_ascii_lowercase(),
                path: route.path.clone(),
                max_body: route.max_body,
                cached: route.cached,
                compression: match route.compressed {
                    true => Compression::Accepted,
                    false => Compression::Off,
                },
            })
        });
        Self {
            services,
            routes: routes.collect(),
        }
    }

    /// The first route that fits; `None` when there is none.
    pub(super) fn route(&self, authority: &[u8], path: &[u8]) -> Option<Destination> {
        let route = self.routes.iter().find(|route| route.fits(authority, path))?;
        Some(Destination {
            service: route.service,
            max_body: route.max_body,
            cached: route.cached,
            compression: route.compression,
        })
    }
}

impl Service {
    fn bind(spec: &ServiceSpec, state: impl Fn(&str) -> Arc<State>, queue: Arc<Queue>) -> Self {
        let target = |server: &ServerSpec| {
            Arc::new(Target {
                state: state(&server.id),
                address: server.address.clone(),
                tls: server.tls.as_ref().map(ClientTls::for_one_server),
                weight: server.weight,
                capacity: server.capacity,
            })
        };
        let weights: Vec<u32> = spec.servers.iter().map(|server| server.weight).collect();
        Self {
            targets: spec.servers.iter().map(target).collect(),
            schedule: schedule(&weights),
            policy: spec.policy,
            hold: spec.hold,
            queue,
        }
    }
}

impl Route {
    fn fits(&self, authority: &[u8], path: &[u8]) -> bool {
        (self.host.is_empty() || host(authority).eq_ignore_ascii_case(self.host.as_bytes()))
            && below(path, self.path.as_bytes())
    }
}

/// An authority without its port.
fn host(authority: &[u8]) -> &[u8] {
    let end = match authority.first() {
        Some(b'[') => memchr::memchr(b']', authority).map(|at| at + 1),
        _ => memchr::memchr(b':', authority),
    };
    end.and_then(|end| authority.get(..end)).unwrap_or(authority)
}

/// Whether `path` is `prefix` or below it: `/api` holds `/api` and `/api/x`, not `/apis`. `/` holds everything, `*` too.
fn below(path: &[u8], prefix: &[u8]) -> bool {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with(b"/") || prefix.is_empty(),
        None => false,
    }
}

/// Smooth weighted round robin (as nginx does it at run time), worked out once: with weights 5, 1, 1 it is 0 0 1 0 2 0 0.
fn schedule(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    if weights.iter().all(|weight| weight / divisor == 1) {
        return (0..weights.len() as u32).collect();
    }
    let total: i64 = weights.iter().map(|weight| i64::from(weight / divisor)).sum();
    let mut current = vec![0i64; weights.len()];
    let turn = |_| {
        for (value, weight) in current.iter_mut().zip(weights) {
            *value += i64::from(weight / divisor);
        }
        // The first of the largest.
        let (best, value) = current.iter_mut().enumerate().rev().max_by_key(|(_, value)| **value)?;
        *value -= total;
        Some(best as u32)
    };
    (0..total).filter_map(turn).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_gives_each_its_weight_and_spreads_them() {
        assert_eq!(schedule(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(schedule(&[7, 7]), [0, 1]);
        assert_eq!(schedule(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(schedule(&[4, 2]), [0, 1, 0]);
        assert!(schedule(&[]).is_empty());
    }

    #[test]
    fn a_path_is_below_whole_segments() {
        assert!(below(b"/api", b"/api") && below(b"/api/x", b"/api") && below(b"/api/x", b"/api/"));
        assert!(!below(b"/apis", b"/api") && !below(b"/", b"/api"));
        assert!(below(b"/", b"/") && below(b"*", b"/") && below(b"/x", b"/"));
    }

    #[test]
    fn a_host_is_an_authority_without_its_port() {
        assert_eq!(host(b"a.example:80"), b"a.example");
        assert_eq!(host(b"[::1]:80"), b"[::1]");
        assert_eq!(host(b"a.example"), b"a.example");
    }
}
