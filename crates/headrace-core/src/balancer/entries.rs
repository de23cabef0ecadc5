//! What the balancer logs of requests: those that failed, and where it is wanted each one.
//!
//! An entry is put together on the engine's thread and copied into a queue that never makes it wait. Without a place to
//! log to a request costs one look at whether there is one.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::rewrite::Hop;
use crate::{
    calendar::now,
    http::exchange::Exchange,
    logs::{Entry, LogShipper},
};

/// Who tells, as in the central log.
const SOURCE: &str = "load balancer";

/// Where entries go, and whether each request is one.
pub struct Entries {
    pub shipper: Arc<LogShipper>,
    pub access: bool,
}

/// What programs search for.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Facts<'a> {
    request_id: &'a str,
    client: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<&'a str>,
}

impl Entries {
    /// A request was answered, by whomever; status 0 where the client was gone. `cache`: what the edge cache did, if it was
    /// asked.
    #[cold]
    pub(super) fn access(&self, exchange: &impl Exchange, hop: &Hop<'_>, took: Duration, cache: Option<&str>) {
        let status = exchange.status();
        let facts = Facts {
            status: Some(status),
            seconds: Some(took.as_micros() as f64 / 1e6),
            cache,
            ..Facts::default()
        };
        self.put("INFO", exchange, hop, &format!("{status}"), facts);
    }

    /// A server failed a request; another attempt may follow.
    #[cold]
    pub(super) fn attempt_failed(&self, exchange: &impl Exchange, hop: &Hop<'_>, server: &str, why: &str) {
        let facts = Facts {
            server: Some(server),
            ..Facts::default()
        };
        self.put("WARNING", exchange, hop, &format!("{server}: {why}"), facts);
    }

    /// The balancer itself answered that nobody else does.
    #[cold]
    pub(super) fn refused(&self, exchange: &impl Exchange, hop: &Hop<'_>, status: u16, why: &str) {
        let facts = Facts {
            status: Some(status),
            ..Facts::default()
        };
        self.put("ERROR", exchange, hop, &format!("{status}, {why}"), facts);
    }

    fn put(&self, level: &str, exchange: &impl Exchange, hop: &Hop<'_>, what: &str, facts: Facts<'_>) {
        let request = exchange.request();
        let (method, target) = (
            String::from_utf8_lossy(request.method()),
            String::from_utf8_lossy(request.target()),
        );
        let id = hop.request_id(request);
        let facts = Facts {
            request_id: &String::from_utf8_lossy(&id),
            client: &exchange.peer().ip_text,
            ..facts
        };
        let entry = Entry {
            time: now(),
            level,
            source: SOURCE,
            message: &format!("{method} {target}: {what}"),
            fields: &serde_json::to_string(&facts).unwrap_or_default(),
            ..Entry::default()
        };
        self.shipper.put(&entry, level == "ERROR");
    }
}
