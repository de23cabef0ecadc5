//! Which responses may be stored (RFC 9111, 3).
//!
//! Stricter than the RFC in two places, because a wrong page for a stranger is worse than a miss: a response that sets a cookie
//! is stored only when it says that it is for all, and none is given a lifetime by guess that was asked for with a cookie.

use super::{
    directives::{RequestDirectives, ResponseDirectives},
    vary::Vary,
};
use crate::http::{
    fields::{Fields, Known},
    head::{BodyKind, Request},
};

/// What of a request decides whether its response may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    pub get: bool,
    pub authorization: bool,
    pub cookie: bool,
    pub directives: RequestDirectives,
}

impl Asked {
    pub fn of(request: &Request) -> Self {
        let fields = request.fields();
        Self {
            get: request.method() == b"GET" && matches!(request.body, BodyKind::None | BodyKind::Length(0)),
            authorization: fields.known(Known::Authorization).is_some(),
            cookie: fields.known(Known::Cookie).is_some(),
            directives: RequestDirectives::of(fields),
        }
    }
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unstorable {
    Method,
    Status,
    NoStore,
    Private,
    Authorization,
    SetCookie,
    Varies,
    /// Nothing says for how long, and nothing allows a guess.
    NoLifetime,
}

/// Statuses whose meaning for caches is implemented (RFC 9110, 15), so that `must-understand` holds for them.
fn is_understood(status: u16) -> bool {
    matches!(
        status,
        200 | 203 | 204 | 300 | 301 | 302 | 303 | 307 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// Statuses that may be stored without being told for how long (RFC 9110, 15.1), but for parts, which are not stored.
pub(super) fn is_heuristic(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Whether a response with this status and these fields may be stored for others than who asked.
pub fn storable(
    asked: &Asked,
    status: u16,
    fields: &Fields,
    directives: &ResponseDirectives,
) -> Result<(), Unstorable> {
    if !asked.get {
        return Err(Unstorable::Method);
    }
    // A part is of no use without its whole, and 304 speaks about another response.
    if status < 200 || matches!(status, 206 | 304) || directives.must_understand && !is_understood(status) {
        return Err(Unstorable::Status);
    }
    // Who writes both means: `no-store` for those who do not know the status (5.2.2.3).
    let no_store = directives.no_store && !directives.must_understand;
    if no_store || asked.directives.no_store {
        return Err(Unstorable::NoStore);
    }
    if directives.private {
        return Err(Unstorable::Private);
    }
    let for_all = directives.public || directives.s_maxage.is_some();
    if asked.authorization && !for_all && !directives.must_revalidate {
        return Err(Unstorable::Authorization);
    }
    let withheld = directives.withheld.iter().any(|name| name == b"set-cookie");
    if fields.known(Known::SetCookie).is_some() && !for_all && !directives.targeted && !withheld {
        return Err(Unstorable::SetCookie);
    }
    if Vary::of(fields) == Vary::Any {
        return Err(Unstorable::Varies);
    }
    let expires = !directives.targeted && fields.known(Known::Expires).is_some();
    let explicit = directives.max_age.is_some() || directives.s_maxage.is_some() || expires;
    let guess = is_heuristic(status) && !asked.cookie;
    match explicit || directives.public || guess {
        true => Ok(()),
        false => Err(Unstorable::NoLifetime),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fields, *};

    const GET: Asked = Asked {
        get: true,
        authorization: false,
        cookie: false,
        directives: RequestDirectives {
            no_cache: false,
            no_store: false,
            only_if_cached: false,
            max_age: None,
            min_fresh: None,
            max_stale: None,
            stale_if_error: None,
        },
    };

    fn verdict(asked: &Asked, status: u16, told: &[(&str, &str)]) -> Result<(), Unstorable> {
        let fields = fields(told);
        storable(asked, status, &fields, &ResponseDirectives::of(&fields))
    }

    fn with(asked: &Asked, control: &str) -> Result<(), Unstorable> {
        verdict(asked, 200, &[("Cache-Control", control)])
    }

    #[test]
    fn rfc9111_3_the_method_must_be_understood() {
        let post = Asked { get: false, ..GET };
        assert_eq!(with(&post, "max-age=9"), Err(Unstorable::Method));
        assert_eq!(with(&GET, "max-age=9"), Ok(()));
    }

    #[test]
    fn rfc9111_3_the_status_must_be_final_and_whole() {
        for status in [103, 206, 304] {
            assert_eq!(
                verdict(&GET, status, &[("Cache-Control", "max-age=9")]),
                Err(Unstorable::Status),
                "{status}"
            );
        }
        for status in [200, 203, 204, 299, 302, 400, 404, 410, 499, 500, 503, 599] {
            assert_eq!(
                verdict(&GET, status, &[("Cache-Control", "max-age=9")]),
                Ok(()),
                "{status}"
            );
        }
    }

    #[test]
    fn rfc9111_5_2_2_3_must_understand_overrides_no_store_for_known_statuses_alone() {
        let control = [("Cache-Control", "must-understand, no-store, max-age=9")];
        assert_eq!(verdict(&GET, 200, &control), Ok(()));
        assert_eq!(verdict(&GET, 299, &control), Err(Unstorable::Status));
    }

    #[test]
    fn rfc9111_3_no_store_and_private_are_not_stored() {
        assert_eq!(with(&GET, "no-store, max-age=9"), Err(Unstorable::NoStore));
        assert_eq!(with(&GET, "private, max-age=9"), Err(Unstorable::Private));
        assert_eq!(with(&GET, "private=\"x-user\", max-age=9"), Ok(()));
    }

    #[test]
    fn rfc9111_5_2_1_5_a_request_may_ask_not_to_be_stored() {
        let directives = RequestDirectives {
            no_store: true,
            ..GET.directives
        };
        assert_eq!(
            with(&Asked { directives, ..GET }, "max-age=9"),
            Err(Unstorable::NoStore)
        );
    }

    #[test]
    fn rfc9111_3_5_authorized_responses_need_leave() {
        let authorized = Asked {
            authorization: true,
            ..GET
        };
        assert_eq!(with(&authorized, "max-age=9"), Err(Unstorable::Authorization));
        assert_eq!(
            with(&authorized, "max-age=9, proxy-revalidate"),
            Err(Unstorable::Authorization)
        );
        for control in ["public, max-age=9", "s-maxage=9", "must-revalidate, max-age=9"] {
            assert_eq!(with(&authorized, control), Ok(()), "{control}");
        }
    }

    #[test]
    fn rfc9111_7_3_cookies_are_set_for_one_unless_all_are_meant() {
        let set = |control: &str| verdict(&GET, 200, &[("Set-Cookie", "a=b"), ("Cache-Control", control)]);
        assert_eq!(set("max-age=9"), Err(Unstorable::SetCookie));
        for control in ["public, max-age=9", "s-maxage=9", "max-age=9, no-cache=\"Set-Cookie\""] {
            assert_eq!(set(control), Ok(()), "{control}");
        }
    }

    #[test]
    fn rfc9111_3_something_must_say_for_how_long() {
        assert_eq!(verdict(&GET, 200, &[]), Ok(()));
        assert_eq!(verdict(&GET, 302, &[]), Err(Unstorable::NoLifetime));
        assert_eq!(verdict(&GET, 302, &[("Cache-Control", "public")]), Ok(()));
        assert_eq!(
            verdict(&GET, 302, &[("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")]),
            Ok(())
        );
        assert_eq!(
            verdict(&Asked { cookie: true, ..GET }, 200, &[]),
            Err(Unstorable::NoLifetime)
        );
    }

    #[test]
    fn rfc9111_4_1_what_varies_by_everything_is_not_stored() {
        assert_eq!(
            verdict(&GET, 200, &[("Cache-Control", "max-age=9"), ("Vary", "Accept, *")]),
            Err(Unstorable::Varies)
        );
    }
}
