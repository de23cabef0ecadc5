//! What is asked of a cache server, as bytes of a request.

use std::{fmt::Write as _, time::Duration};

use super::Failure;
use crate::http::fields::is_value;

const WITH_TAGS: &str = "&with_tags=1";

/// What an invalidation goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    Key(&'a str),
    Tag(&'a str),
    Prefix(&'a str),
}

/// One call of the cache's contract.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    /// The value, stale or not; with its tags, where a copy of it is to be kept.
    Get {
        key: &'a str,
        with_tags: bool,
    },
    Set {
        key: &'a str,
        value: &'a [u8],
        life: Life,
        tags: &'a [&'a str],
        lease: Option<&'a str>,
        /// Only in place of this version.
        over: Option<u64>,
    },
    Delete {
        key: &'a str,
    },
    Invalidate {
        by: By<'a>,
        soft: bool,
    },
    /// The value if it is fresh, else the right to compute it, for which the server may be waited for.
    Lease {
        key: &'a str,
        hold: Duration,
        wait: Duration,
        with_tags: bool,
    },
    GiveUp {
        key: &'a str,
        id: &'a str,
    },
    /// See [`super::batch`].
    Batch(&'a [u8]),
}

/// How long a value is fresh, and how long it may be used after that while it is renewed. Parts of seconds are written
/// as such, which our service understands.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    pub fresh: Duration,
    pub stale: Duration,
}

impl<'a> Call<'a> {
    pub(super) fn body(&self) -> &'a [u8] {
        match *self {
            Self::Set { value, .. } => value,
            Self::Batch(body) => body,
            _ => b"",
        }
    }

    /// How much longer than others the call may take.
    pub(super) fn wait(&self) -> Duration {
        match self {
            Self::Lease { wait, .. } => *wait,
            _ => Duration::ZERO,
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Get { .. } | Self::Lease { .. } => "GET ",
            Self::Set { .. } => "PUT ",
            Self::Delete { .. } | Self::GiveUp { .. } => "DELETE ",
            Self::Invalidate { .. } | Self::Batch(_) => "POST ",
        }
    }

    /// Writes the head; `common` is what follows the target in every request to this server.
    pub(super) fn write_head(&self, base: &str, common: &str, out: &mut String) -> Result<(), Failure> {
        out.push_str(self.method());
        out.push_str(base);
        self.write_target(out);
        out.push_str(common);
        self.write_fields(out)?;
        if !matches!(self, Self::Get { .. } | Self::Lease { .. }) {
            let _ = write!(out, "content-length: {}\r\n", self.body().len());
        }
        out.push_str("\r\n");
        Ok(())
    }

    fn write_target(&self, out: &mut String) {
        match *self {
            Self::Get { key, with_tags } => {
                parameter(out, "/?key=", key);
                out.push_str(if with_tags { WITH_TAGS } else { "" });
            }
            Self::Set { key, .. } | Self::Delete { key } => parameter(out, "/?key=", key),
            Self::Invalidate { by, soft } => {
                match by {
                    By::Key(key) => parameter(out, "/invalidate?key=", key),
                    By::Tag(tag) => parameter(out, "/invalidate?tag=", tag),
                    By::Prefix(prefix) => parameter(out, "/invalidate?prefix=", prefix),
                }
                out.push_str(if soft { "&soft=1" } else { "" });
            }
            Self::Lease {
                key,
                hold,
                wait,
                with_tags,
            } => {
                parameter(out, "/?key=", key);
                let _ = write!(out, "&lease={}&wait={}", hold.as_secs_f64(), wait.as_secs_f64());
                out.push_str(if with_tags { WITH_TAGS } else { "" });
            }
            Self::GiveUp { key, id } => {
                parameter(out, "/lease?key=", key);
                parameter(out, "&id=", id);
            }
            Self::Batch(_) => out.push_str("/batch"),
        }
    }

    fn write_fields(&self, out: &mut String) -> Result<(), Failure> {
        match *self {
            Self::Get { .. } => out.push_str("cache-control: max-stale\r\n"),
            Self::Set {
                life,
                tags,
                lease,
                over,
                ..
            } => {
                let (fresh, stale) = (life.fresh.as_secs_f64(), life.stale.as_secs_f64());
                let _ = write!(out, "cache-control: max-age={fresh}");
                if stale > 0.0 {
                    let _ = write!(out, ", stale-while-revalidate={stale}");
                }
                out.push_str("\r\n");
                write_tags(out, tags)?;
                if let Some(lease) = lease {
                    let _ = write!(out, "lease: {lease}\r\n");
                }
                if let Some(version) = over {
                    let _ = write!(out, "if-match: \"{version:016x}\"\r\n");
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn write_tags(out: &mut String, tags: &[&str]) -> Result<(), Failure> {
    for (at, tag) in tags.iter().enumerate() {
        let usable = !tag.is_empty() && tag.trim() == *tag && !tag.contains(',') && is_value(tag.as_bytes());
        if !usable {
            return Err(Failure::Refused(format!(
                "the tag {tag:?} is empty, or has a comma or a blank at its end"
            )));
        }
        out.push_str(if at == 0 { "cache-tags: " } else { ", " });
        out.push_str(tag);
    }
    out.push_str(if tags.is_empty() { "" } else { "\r\n" });
    Ok(())
}

/// RFC 3986, 2.3: what is not unreserved is percent-encoded.
fn parameter(out: &mut String, name: &str, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push_str(name);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Life = Life {
        fresh: Duration::from_millis(600_500),
        stale: Duration::ZERO,
    };

    fn head(call: &Call<'_>) -> Result<String, Failure> {
        let mut out = String::new();
        call.write_head("/base", " HTTP/1.1\r\nhost: h\r\n", &mut out)?;
        Ok(out)
    }

    #[test]
    fn calls_are_written_as_the_contract_has_them() {
        let set = |tags, lease, over| Call::Set {
            key: "k",
            value: b"mill",
            life: LIFE,
            tags,
            lease,
            over,
        };
        let get = |with_tags| Call::Get {
            key: "post:3",
            with_tags,
        };
        let lease = |with_tags| Call::Lease {
            key: "k",
            hold: Duration::from_secs(10),
            wait: Duration::from_millis(1500),
            with_tags,
        };
        for (call, start, fields) in [
            (get(false), "GET /base/?key=post:3", "cache-control: max-stale\r\n"),
            (
                get(true),
                "GET /base/?key=post:3&with_tags=1",
                "cache-control: max-stale\r\n",
            ),
            (
                set(&["a", "b c"], Some("7f"), None),
                "PUT /base/?key=k",
                "cache-control: max-age=600.5\r\ncache-tags: a, b c\r\nlease: 7f\r\ncontent-length: 4\r\n",
            ),
            (
                set(&[], None, None),
                "PUT /base/?key=k",
                "cache-control: max-age=600.5\r\ncontent-length: 4\r\n",
            ),
            (
                set(&[], None, Some(31)),
                "PUT /base/?key=k",
                "cache-control: max-age=600.5\r\nif-match: \"000000000000001f\"\r\ncontent-length: 4\r\n",
            ),
            (
                Call::Delete { key: "ü &?" },
                "DELETE /base/?key=%C3%BC%20%26%3F",
                "content-length: 0\r\n",
            ),
            (
                Call::Invalidate {
                    by: By::Tag("posts"),
                    soft: true,
                },
                "POST /base/invalidate?tag=posts&soft=1",
                "content-length: 0\r\n",
            ),
            (lease(false), "GET /base/?key=k&lease=10&wait=1.5", ""),
            (lease(true), "GET /base/?key=k&lease=10&wait=1.5&with_tags=1", ""),
            (
                Call::GiveUp { key: "k", id: "7" },
                "DELETE /base/lease?key=k&id=7",
                "content-length: 0\r\n",
            ),
            (Call::Batch(b"{}\n"), "POST /base/batch", "content-length: 3\r\n"),
        ] {
            let expected = format!("{start} HTTP/1.1\r\nhost: h\r\n{fields}\r\n");
            assert_eq!(head(&call).unwrap(), expected);
        }
    }

    #[test]
    fn no_tag_writes_a_field_of_its_own() {
        for tag in ["", "a,b", "a\r\nlease: 1", " a"] {
            let call = Call::Set {
                key: "k",
                value: b"",
                life: LIFE,
                tags: &[tag],
                lease: None,
                over: None,
            };
            assert!(matches!(head(&call), Err(Failure::Refused(_))), "{tag:?}");
        }
    }
}
