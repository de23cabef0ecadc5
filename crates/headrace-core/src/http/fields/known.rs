//! Which fields mean something to headrace itself, and what kind of meaning that is.

/// The fields that the engine, the balancer or the trailer rules treat by name; `Other` is everybody else's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Other,
    /// Differs from a known name only by `_` for `-`. A CGI-like environment (WSGI) cannot tell the two apart, so a
    /// stranger could forge `X-Forwarded-For` as `X_Forwarded_For`.
    Disguised,
    AcceptEncoding,
    Age,
    Authorization,
    CacheControl,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentRange,
    ContentType,
    Cookie,
    Date,
    Expect,
    Expires,
    Forwarded,
    Host,
    /// `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, `If-Range`.
    Condition,
    KeepAlive,
    Location,
    MaxForwards,
    Pragma,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    Range,
    Server,
    SetCookie,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    Vary,
    Via,
    WwwAuthenticate,
    XForwardedFor,
    XForwardedHost,
    /// Any other `X-Forwarded-` field, and `X-Real-IP`: what they say only a hop before us can know.
    XForwardedOther,
    XForwardedProto,
    XRequestId,
}

impl Known {
    /// Whether the field speaks about one connection and is never passed on (RFC 9110, 7.6.1). The two `Proxy-`
    /// credentials belong here because a gateway is the proxy they are meant for, or nobody is.
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyAuthenticate
                | Self::ProxyAuthorization
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }

    /// Whether a `Connection` field may take the field away. What is known has its meaning by definition; otherwise
    /// `Connection: authorization` would be a way to strip what the app relies on.
    pub fn may_be_nominated(self) -> bool {
        self == Self::Other
    }

    /// Whether the field may come after the body: none that frames, routes, identifies or controls may
    /// (RFC 9110, 6.5.1), and all that are known do one of these.
    pub fn may_trail(self) -> bool {
        self == Self::Other
    }
}

/// What a field's name means here, in any case.
///
/// ```
/// # use headrace_core::http::fields::{Known, classify};
/// assert_eq!(classify(b"CONTENT-length"), Known::ContentLength);
/// assert_eq!(classify(b"X_Forwarded_For"), Known::Disguised);
/// assert_eq!(classify(b"x-mill"), Known::Other);
/// ```
pub fn classify(name: &[u8]) -> Known {
    #[rustfmt::skip] // It is a table.
    let candidates: &[(&[u8], Known)] = match name.len() {
        2 => &[(b"te", Known::Te)],
        3 => &[(b"age", Known::Age), (b"via", Known::Via)],
        4 => &[(b"host", Known::Host), (b"date", Known::Date), (b"vary", Known::Vary)],
        5 => &[(b"range", Known::Range)],
        6 => &[(b"cookie", Known::Cookie), (b"server", Known::Server),
               (b"expect", Known::Expect), (b"pragma", Known::Pragma)],
        7 => &[(b"upgrade", Known::Upgrade), (b"trailer", Known::Trailer), (b"expires", Known::Expires)],
        8 => &[(b"if-match", Known::Condition), (b"if-range", Known::Condition), (b"location", Known::Location)],
        9 => &[(b"forwarded", Known::Forwarded), (b"x-real-ip", Known::XForwardedOther)],
        10 => &[(b"connection", Known::Connection), (b"keep-alive", Known::KeepAlive),
                (b"set-cookie", Known::SetCookie)],
        12 => &[(b"content-type", Known::ContentType), (b"x-request-id", Known::XRequestId),
                (b"max-forwards", Known::MaxForwards)],
        13 => &[(b"cache-control", Known::CacheControl), (b"authorization", Known::Authorization),
                (b"if-none-match", Known::Condition), (b"content-range", Known::ContentRange)],
        14 => &[(b"content-length", Known::ContentLength)],
        15 => &[(b"accept-encoding", Known::AcceptEncoding), (b"x-forwarded-for", Known::XForwardedFor)],
        16 => &[(b"content-encoding", Known::ContentEncoding), (b"x-forwarded-host", Known::XForwardedHost),
                (b"proxy-connection", Known::ProxyConnection), (b"www-authenticate", Known::WwwAuthenticate)],
        17 => &[(b"transfer-encoding", Known::TransferEncoding), (b"x-forwarded-proto", Known::XForwardedProto),
                (b"if-modified-since", Known::Condition)],
        18 => &[(b"proxy-authenticate", Known::ProxyAuthenticate)],
        19 => &[(b"proxy-authorization", Known::ProxyAuthorization), (b"if-unmodified-since", Known::Condition)],
        _ => &[],
    };
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return Known::Other;
    };
    // Known names begin and end with letters, so these two tell most of the others without a look at the rest.
    let ends = (Some(&(first | 0x20)), Some(&(last | 0x20)));
    for (candidate, known) in candidates {
        if (candidate.first(), candidate.last()) != ends {
            continue;
        }
        if is_same(name, candidate) {
            return *known;
        }
        if is_disguise(name, candidate) {
            return Known::Disguised;
        }
    }
    match name.split_at_checked(FAMILY.len()) {
        Some((family, _)) if (first | 0x20) == b'x' && family.eq_ignore_ascii_case(FAMILY) => Known::XForwardedOther,
        Some((family, _)) if (first | 0x20) == b'x' && is_disguise(family, FAMILY) => Known::Disguised,
        _ => Known::Other,
    }
}

/// How the names begin of what a hop before us may have said.
const FAMILY: &[u8] = b"x-forwarded-";

/// Whether `name` is `known`, which is as long and in lower case. Names of four bytes and more are compared by words,
/// twice as fast as by bytes: every bit that `CASE` sets is set in the characters of known names already, and the
/// only characters of names that it turns into those are capital letters.
#[inline]
fn is_same(name: &[u8], known: &[u8]) -> bool {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let words = |a: &[u8; 8], b: &[u8; 8]| u64::from_ne_bytes(*a) | CASE == u64::from_ne_bytes(*b);
    let halves = |a: &[u8; 4], b: &[u8; 4]| u32::from_ne_bytes(*a) | CASE as u32 == u32::from_ne_bytes(*b);
    match name.len() {
        0..4 => name.eq_ignore_ascii_case(known),
        4..8 => ends_agree(name, known, halves),
        8..=16 => ends_agree(name, known, words),
        _ => ends_agree(name, known, words) && name.eq_ignore_ascii_case(known),
    }
}

/// Whether the first and the last `N` bytes of both are the same.
#[inline]
fn ends_agree<const N: usize>(name: &[u8], known: &[u8], same: impl Fn(&[u8; N], &[u8; N]) -> bool) -> bool {
    let agree = |one: Option<&[u8; N]>, other| matches!((one, other), (Some(one), Some(other)) if same(one, other));
    agree(name.first_chunk(), known.first_chunk()) && agree(name.last_chunk(), known.last_chunk())
}

fn is_disguise(name: &[u8], known: &[u8]) -> bool {
    name.iter()
        .zip(known)
        .all(|(a, b)| a.eq_ignore_ascii_case(b) || (*a == b'_' && *b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        for (name, known) in [
            ("te", Known::Te),
            ("HOST", Known::Host),
            ("Cookie", Known::Cookie),
            ("Keep-Alive", Known::KeepAlive),
            ("If-Range", Known::Condition),
            ("CONTENT-LENGTH", Known::ContentLength),
            ("x-Forwarded-For", Known::XForwardedFor),
            ("Transfer-Encoding", Known::TransferEncoding),
            ("If-Unmodified-Since", Known::Condition),
            ("proxy-authorizatioN", Known::ProxyAuthorization),
            ("X-Forwarded-Prefix", Known::XForwardedOther),
            ("x-forwarded-client-cert", Known::XForwardedOther),
            ("X-Real-IP", Known::XForwardedOther),
        ] {
            assert_eq!(classify(name.as_bytes()), known, "{name}");
        }
    }

    #[test]
    fn names_that_only_resemble_known_ones_are_other() {
        for name in [
            "",
            "t",
            "tee",
            "hose",
            "cook\x09e",
            "datE\0",
            "content-lengtH2",
            "content~length",
            "transfer.encoding",
            "x-forwarder-for",
        ] {
            assert_eq!(classify(name.as_bytes()), Known::Other, "{name}");
        }
    }

    #[test]
    fn underscores_disguise_known_names() {
        for name in [
            "X_Forwarded_For",
            "X_Forwarded_User",
            "X_Real_IP",
            "x-forwarded_proto",
            "CONTENT_LENGTH",
            "transfer_encoding",
        ] {
            assert_eq!(classify(name.as_bytes()), Known::Disguised, "{name}");
        }
        assert_eq!(classify(b"my_header"), Known::Other);
    }
}
