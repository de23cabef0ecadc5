//! TLS 1.2 and 1.3 by rustls, both as the server that clients reach and as the client of app servers.
//!
//! Only suites with forward secrecy and authenticated encryption exist here, which is Mozilla's intermediate profile.
//! There is no way to leave a server unverified.

use std::{fmt::Display, sync::Arc};

pub use rustls::ServerConfig;
use rustls::{
    ClientConfig, RootCertStore,
    client::{Resumption, verify_server_name},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject},
    },
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::address::Address;
use crate::error::Error;

const HTTP2: &[u8] = b"h2";
const HTTP1: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// As many as rustls keeps for one name.
const SESSIONS: usize = 8;

fn wrong(file: &str, why: impl Display) -> Error {
    Error::Tls(format!("{file}: {why}"))
}

/// A PEM file that should hold a `what`.
fn unusable(file: &str, what: &str, error: &pem::Error) -> Error {
    match error {
        pem::Error::Io(error) => wrong(file, format_args!("cannot be read: {error}")),
        pem::Error::NoItemsFound => wrong(file, format_args!("no {what} in it; a PEM file is expected")),
        error => wrong(file, format_args!("no {what} can be read ({error})")),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(file, "certificate", &error))?;
    match found.is_empty() {
        true => Err(unusable(file, "certificate", &pem::Error::NoItemsFound)),
        false => Ok(found),
    }
}

fn certified_key(chain: &str, key: &str, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, "private key", &error))?;
    CertifiedKey::from_der(certificates(chain)?, private, provider)
        .map_err(|error| wrong(chain, format_args!("does not fit the key {key} ({error})")))
}

/// Certificates in the order they were given; the first that carries the asked name, else the first of all.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

fn carries(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    key.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .and_then(|certificate| verify_server_name(&certificate, name))
        .is_ok()
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        asked
            .and_then(|name| self.0.iter().find(|key| carries(key, &name)))
            .or_else(|| self.0.first())
            .cloned()
    }
}

/// The listener's side: pairs of PEM files (chain, key), and whether HTTP/2 is spoken.
pub fn server(files: &[(String, String)], http2: bool) -> Result<Arc<ServerConfig>, Error> {
    let provider = provider();
    let keys = files
        .iter()
        .map(|(chain, key)| certified_key(chain, key, &provider).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(Error::Tls("at least one certificate is needed".into()));
    }
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName(keys)));
    let protocols = http2.then_some(HTTP2).into_iter().chain(HTTP1);
    config.alpn_protocols = protocols.map(<[u8]>::to_vec).collect();
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| Error::Tls(error.to_string()))?;
    Ok(Arc::new(config))
}

/// How one app server is verified.
#[derive(Debug, Clone)]
pub struct ClientTls {
    pub config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Trusts the authorities in the PEM file `ca` and nobody else.
    pub fn new(ca: &str, server_name: Option<&str>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|error| wrong(ca, error))?;
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(ca, error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = server_name
            .map(|name| ServerName::try_from(name.to_owned()))
            .transpose()
            .map_err(|error| Error::Tls(format!("server name {server_name:?}: {error}")))?;
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }

    /// The same trust with sessions of its own to resume. They are remembered by host name, and the app servers of one
    /// host would be offered one another's, which they cannot read.
    #[must_use]
    pub fn for_one_server(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Self {
            config: Arc::new(config),
            name: self.name.clone(),
        }
    }

    pub fn name_for(&self, address: &Address) -> Result<ServerName<'static>, Error> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => ServerName::try_from(address.host()).map_err(|error| wrong(&address.to_string(), error)),
        }
    }
}
