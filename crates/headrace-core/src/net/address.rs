//! Where something listens: an IP address and port, a host name and port, or a Unix socket.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    str::FromStr,
};

use crate::error::Error;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    Socket(SocketAddr),
    /// Resolved anew for each connection.
    Named(String, u16),
    Unix(PathBuf),
}

impl Address {
    /// The name a certificate of whoever listens here must carry.
    pub fn host(&self) -> String {
        match self {
            Self::Socket(address) => address.ip().to_string(),
            Self::Named(host, _) => host.clone(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    /// The first address it resolves to; for listeners, which resolve once.
    pub fn resolve(&self) -> Result<SocketAddr, Error> {
        match self {
            Self::Socket(address) => Ok(*address),
            Self::Named(host, port) => (host.as_str(), *port)
                .to_socket_addrs()
                .ok()
                .and_then(|mut found| found.next())
                .ok_or_else(|| Error::Address(format!("{self}: the name {host:?} is not known; use an IP address"))),
            Self::Unix(_) => Err(Error::Address(format!(
                "{self}: listening on a Unix socket is not supported"
            ))),
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Address(format!("{text:?} is no address: {why}; write host:port or unix:/path"));
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(wrong("the path is missing")),
                _ => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Socket(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("the port is missing"))?;
        let port = port.parse().map_err(|_| wrong("the port must be 0 to 65535"))?;
        let named = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        match host.parse::<IpAddr>() {
            Ok(ip) => Ok(Self::Socket(SocketAddr::new(ip, port))),
            Err(_) if named => Ok(Self::Named(host.to_owned(), port)),
            Err(_) => Err(wrong("the host is malformed")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Named(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["127.0.0.1:2000", "[::1]:0", "localhost:80", "unix:/run/app.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        for text in ["", "localhost", "localhost:", "localhost:70000", "a b:1", ":1", "unix:"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
