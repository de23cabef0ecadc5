//! What the cache did with a request, for whoever looks at the response (RFC 9211).

use std::fmt::Write;

/// Room for a usual member of the list.
const USUAL: usize = 96;

/// Why a request went on to a server; the names are the RFC's (2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// The cache had no say: nothing of such a request is stored.
    Bypass,
    /// The method is not one that is answered from the store.
    Method,
    UriMiss,
    VaryMiss,
    /// Something fresh was there, but the request's own directives ruled it out.
    Request,
    Stale,
}

impl Forwarded {
    fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStatus {
    /// `None`: answered without a server.
    pub forwarded: Option<Forwarded>,
    /// What the server answered, where the client gets another status.
    pub server_said: Option<u16>,
    pub stored: bool,
    /// It waited for another request's response; whether that was enough.
    pub collapsed: Option<bool>,
    /// Seconds for which the response is fresh; less than 0 once it is stale.
    pub ttl: Option<i64>,
}

impl CacheStatus {
    /// The member of the list that says so. The key is not told: it may hold what a request's fields said.
    ///
    /// ```
    /// # use headrace_core::edge::status::CacheStatus;
    /// let hit = CacheStatus { ttl: Some(30), ..CacheStatus::default() };
    /// assert_eq!(hit.member("headrace"), "headrace; hit; ttl=30");
    /// ```
    pub fn member(&self, cache: &str) -> String {
        let mut text = String::with_capacity(USUAL);
        match is_token(cache) {
            true => text.push_str(cache),
            false => {
                let _ = write!(text, "\"{}\"", cache.replace(['"', '\\'], "_"));
            }
        }
        let Some(why) = self.forwarded else {
            text.push_str("; hit");
            self.write_ttl(&mut text);
            return text;
        };
        let _ = write!(text, "; fwd={}", why.name());
        if let Some(status) = self.server_said {
            let _ = write!(text, "; fwd-status={status}");
        }
        if self.stored {
            text.push_str("; stored");
        }
        match self.collapsed {
            Some(true) => text.push_str("; collapsed"),
            Some(false) => text.push_str("; collapsed=?0"),
            None => {}
        }
        self.write_ttl(&mut text);
        text
    }

    fn write_ttl(&self, text: &mut String) {
        if let Some(ttl) = self.ttl {
            text.push_str("; ttl=");
            text.push_str(itoa::Buffer::new().format(ttl));
        }
    }
}

/// RFC 9651, 3.3.4.
fn is_token(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*');
    begins
        && name
            .bytes()
            .all(|byte| crate::http::fields::is_token_byte(byte) || b":/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9211_2_a_member_says_what_was_done() {
        let none = CacheStatus::default();
        for (status, told) in [
            (none, "edge; hit"),
            (CacheStatus { ttl: Some(-3), ..none }, "edge; hit; ttl=-3"),
            (
                CacheStatus {
                    forwarded: Some(Forwarded::UriMiss),
                    stored: true,
                    ttl: Some(60),
                    ..none
                },
                "edge; fwd=uri-miss; stored; ttl=60",
            ),
            (
                CacheStatus {
                    forwarded: Some(Forwarded::Stale),
                    server_said: Some(304),
                    collapsed: Some(true),
                    ..none
                },
                "edge; fwd=stale; fwd-status=304; collapsed",
            ),
            (
                CacheStatus {
                    forwarded: Some(Forwarded::VaryMiss),
                    collapsed: Some(false),
                    ..none
                },
                "edge; fwd=vary-miss; collapsed=?0",
            ),
        ] {
            assert_eq!(status.member("edge"), told);
        }
    }

    #[test]
    fn rfc9211_2_a_name_that_is_no_token_is_quoted() {
        assert_eq!(CacheStatus::default().member("1 a\"b"), "\"1 a_b\"; hit");
    }
}
