//! What a stored response is found by: its target's URI (RFC 9111, 2), and for variants the fields that select it.
//!
//! A key reads as the URI, so that an operator can purge by it and by a prefix of it. Where responses vary, the place of the
//! URI tells by which fields; each variant lies at a key of its own behind it, divided by bytes that no URI has.

use super::vary;
use crate::http::head::Request;

/// No URI and no field has this byte.
const DIVIDER: u8 = 0;

/// The key of a target, such as `https://blog.example/posts?page=2`. Scheme and host are the same in any case, and a scheme's
/// own port need not be said (RFC 9110, 4.2.3).
pub fn primary(secure: bool, authority: &[u8], target: &[u8]) -> Vec<u8> {
    let (scheme, port): (&[u8], &[u8]) = match secure {
        true => (b"https://", b":443"),
        false => (b"http://", b":80"),
    };
    let authority = authority.strip_suffix(port).unwrap_or(authority);
    let authority = authority.strip_suffix(b":").unwrap_or(authority);
    let mut key = Vec::with_capacity(scheme.len() + authority.len() + target.len());
    key.extend_from_slice(scheme);
    key.extend_from_slice(authority);
    key.make_ascii_lowercase();
    key.extend_from_slice(target);
    key
}

/// The key of the variant of `primary` that a request gets where responses vary by `names`.
pub fn variant<'a>(primary: &[u8], request: &Request, names: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut key = primary.to_vec();
    key.push(DIVIDER);
    key.extend(vary::selecting(request, names));
    key
}

/// The tag that all variants of `primary` have, so that they go together.
pub fn family(primary: &[u8]) -> Vec<u8> {
    [&[DIVIDER, b'u'], primary].concat()
}

/// Scheme and authority of a key: what it has in common with the others of its server.
pub fn origin(primary: &[u8]) -> &[u8] {
    let start = memchr::memmem::find(primary, b"://").map_or(0, |at| at + 3);
    let rest = primary.get(start..).unwrap_or_default();
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'*'));
    primary.get(..start + end.unwrap_or(rest.len())).unwrap_or_default()
}

/// The key that a reference in a response to a request for `primary` means, if it is of the same origin (RFC 9111, 4.4): an
/// absolute URI, `//host/path`, an absolute path, or one beside the target's. What looks like anything else means nothing.
pub fn referred(primary: &[u8], reference: &[u8]) -> Option<Vec<u8>> {
    let reference = reference
        .split(|byte| *byte == b'#')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let origin = origin(primary);
    let secure = origin.starts_with(b"https:");
    let scheme: &[u8] = if secure { b"https:" } else { b"http:" };
    let key = match reference {
        [] => return None,
        [b'/', b'/', rest @ ..] => absolute(secure, rest),
        [b'/', ..] => [origin, reference].concat(),
        _ => match split_scheme(reference) {
            Some((named, rest)) if named.eq_ignore_ascii_case(scheme) => absolute(secure, rest),
            Some(_) => return None,
            None => [beside(primary), reference].concat(),
        },
    };
    (self::origin(&key) == origin).then_some(key)
}

/// `scheme:` and what comes after `//`.
fn split_scheme(reference: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(reference, b"://")?;
    let (scheme, rest) = reference.split_at(at + 1);
    scheme
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.:".contains(byte))
        .then_some(())?;
    Some((scheme, rest.get(2..)?))
}

fn absolute(secure: bool, rest: &[u8]) -> Vec<u8> {
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (authority, target) = rest.split_at(end.unwrap_or(rest.len()));
    match target {
        [b'/', ..] => primary(secure, authority, target),
        _ => primary(secure, authority, &[b"/", target].concat()),
    }
}

/// A key up to the last `/` of its path.
fn beside(primary: &[u8]) -> &[u8] {
    let path = primary.split(|byte| *byte == b'?').next().unwrap_or_default();
    let end = memchr::memrchr(b'/', path).map_or(path.len(), |at| at + 1);
    path.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::request, *};

    #[test]
    fn rfc9111_2_a_key_is_the_targets_uri() {
        for (secure, authority, target, key) in [
            (true, "Blog.Example", "/a?B=c", "https://blog.example/a?B=c"),
            (true, "blog.example:443", "/", "https://blog.example/"),
            (false, "blog.example:80", "/", "http://blog.example/"),
            (true, "blog.example:80", "/", "https://blog.example:80/"),
            (false, "[::1]:8080", "/", "http://[::1]:8080/"),
        ] {
            assert_eq!(primary(secure, authority.as_bytes(), target.as_bytes()), key.as_bytes());
        }
    }

    #[test]
    fn rfc9111_4_1_variants_have_keys_of_their_own() {
        let names = || [b"accept".as_slice()].into_iter();
        let one = variant(b"http://a/", &request(&[("Accept", "x/y")]), names());
        let other = variant(b"http://a/", &request(&[]), names());
        assert_ne!(one, other);
        assert!(one.starts_with(b"http://a/\0") && family(b"http://a/").starts_with(b"\0"));
    }

    #[test]
    fn rfc9111_4_4_references_of_the_same_origin_are_found() {
        let base = b"https://a.example/posts/3?x=/y";
        for (reference, found) in [
            ("/b", Some("https://a.example/b")),
            ("https://A.example:443/b#top", Some("https://a.example/b")),
            ("//a.example/b", Some("https://a.example/b")),
            ("https://a.example", Some("https://a.example/")),
            ("4", Some("https://a.example/posts/4")),
            ("https://b.example/b", None),
            ("http://a.example/b", None),
            ("//b.example/b", None),
            ("https://a.example:8443/b", None),
            ("https://a.example@b.example/", None),
            ("", None),
        ] {
            assert_eq!(
                referred(base, reference.as_bytes()),
                found.map(|found| found.as_bytes().to_vec()),
                "{reference}"
            );
        }
    }
}
