//! The cache at the balancer's edge, as policy: RFC 9111 and its neighbours as pure functions over fields and times.
//!
//! Nothing here has a clock, a socket or a store. Reading order: `directives` (what is asked and allowed, over `structured`),
//! `storable` and `freshness` (may it be kept, and for how long), `reuse` (what becomes of a request for what was kept), `vary`
//! and `key` (which of those it is), `validation` and `ranges` (parts of the answer that the client lacks), `groups` (what is
//! invalidated together), `status` (what is told of it all).

pub mod directives;
pub mod freshness;
pub mod groups;
pub mod key;
pub mod ranges;
pub mod reuse;
pub mod status;
pub mod storable;
pub mod structured;
pub mod validation;
pub mod vary;

#[cfg(test)]
mod tests {
    use crate::http::{
        fields::Fields,
        head::{Request, Version},
    };

    /// Fields as a table of tests writes them.
    pub(super) fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    /// A request with such fields.
    pub(super) fn request(lines: &[(&str, &str)]) -> Request {
        let mut request = Request::new();
        request.begin(Version::Http11, b"GET", b"/", b"a");
        for (name, value) in lines {
            request.fields_mut().push(name.as_bytes(), value.as_bytes());
        }
        request
    }
}
