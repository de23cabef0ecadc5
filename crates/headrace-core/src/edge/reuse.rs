//! What becomes of a request for which something may be stored (RFC 9111, 4 and 4.2.4; RFC 5861).

use super::directives::{LONGEST, RequestDirectives, ResponseDirectives};

/// A stored response as the decision sees it; times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Candidate {
    pub age: u32,
    /// How long it is still fresh; 0 once it is stale.
    pub fresh_for: u32,
    /// For how long it has been stale, by age or by an operator's word.
    pub stale_for: u32,
    pub terms: Terms,
}

/// On which terms a response was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// It is never used without asking its server.
    pub no_cache: bool,
    /// It is not used stale, whatever it or a client says (`must-revalidate`, `proxy-revalidate`).
    pub must_revalidate: bool,
    /// It is not used stale on a client's word.
    pub forbids_stale: bool,
    pub while_revalidate: u32,
    /// `None`: nothing was said, and a failing server may be covered for as long as the cache's owner likes.
    pub if_error: Option<u32>,
}

impl Terms {
    pub fn of(directives: &ResponseDirectives) -> Self {
        Self {
            no_cache: directives.no_cache,
            must_revalidate: directives.must_revalidate || directives.proxy_revalidate,
            forbids_stale: directives.forbids_stale(),
            while_revalidate: directives.stale_while_revalidate.unwrap_or(0),
            if_error: directives.stale_if_error,
        }
    }

    fn never_stale(&self) -> bool {
        self.no_cache || self.must_revalidate
    }
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Answer with what is stored.
    Serve,
    /// Answer with what is stored, and ask the server for a newer one beside (RFC 5861, 3).
    ServeAndRenew,
    /// Ask the server; with what is stored, whether it still holds.
    Revalidate,
    /// 504: the client wants a stored response or none (RFC 9111, 5.2.1.7).
    Unavailable,
}

/// Decides for a request with these directives.
pub fn reuse(asked: &RequestDirectives, stored: Option<&Candidate>) -> Reuse {
    let verdict = stored.map_or(Reuse::Revalidate, |stored| candidate(asked, stored));
    match verdict {
        Reuse::Revalidate if asked.only_if_cached => Reuse::Unavailable,
        _ => verdict,
    }
}

fn candidate(asked: &RequestDirectives, stored: &Candidate) -> Reuse {
    let terms = &stored.terms;
    if asked.no_cache || terms.no_cache {
        return Reuse::Revalidate;
    }
    let too_old = asked.max_age.is_some_and(|most| stored.age > most);
    let too_short = asked.min_fresh.is_some_and(|least| stored.fresh_for < least);
    if stored.fresh_for > 0 && !too_old && !too_short {
        return Reuse::Serve;
    }
    if terms.never_stale() || too_short {
        return Reuse::Revalidate;
    }
    // An age that the client would not take for a fresh one, it may still take as a stale one (5.2.1.1).
    let over = match asked.max_age {
        Some(most) => stored.stale_for.max(stored.age.saturating_sub(most)),
        None => stored.stale_for,
    };
    let stale_is_fine = asked.max_stale.is_some_and(|most| most == LONGEST || over <= most);
    match stale_is_fine {
        true if !terms.forbids_stale || stored.fresh_for > 0 => Reuse::Serve,
        _ if !too_old && stored.stale_for < terms.while_revalidate => Reuse::ServeAndRenew,
        _ => Reuse::Revalidate,
    }
}

/// Whether a stored response may stand for one that could not be had (RFC 5861, 4; RFC 9111, 4.2.4). `default` is for how
/// long where neither side says so.
pub fn covers_error(asked: &RequestDirectives, stored: &Candidate, default: u32) -> bool {
    let terms = &stored.terms;
    let by_client = asked.stale_if_error.filter(|_| !terms.forbids_stale);
    let most = match terms.if_error.max(by_client) {
        Some(most) => most,
        None if terms.forbids_stale => 0,
        None => default,
    };
    let allowed =
        !terms.never_stale() && !asked.no_cache && (stored.fresh_for > 0 || stored.stale_for <= most && most > 0);
    allowed && asked.max_age.is_none_or(|most| stored.age <= most)
}

/// Whether a status says that a server failed, for a while at least (RFC 5861, 4).
pub fn is_error(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: RequestDirectives = RequestDirectives {
        no_cache: false,
        no_store: false,
        only_if_cached: false,
        max_age: None,
        min_fresh: None,
        max_stale: None,
        stale_if_error: None,
    };
    const FREE: Terms = Terms {
        no_cache: false,
        must_revalidate: false,
        forbids_stale: false,
        while_revalidate: 0,
        if_error: None,
    };
    const FRESH: Candidate = Candidate {
        age: 20,
        fresh_for: 10,
        stale_for: 0,
        terms: FREE,
    };
    const STALE: Candidate = Candidate {
        age: 40,
        fresh_for: 0,
        stale_for: 10,
        terms: FREE,
    };

    fn with(candidate: Candidate, terms: Terms) -> Candidate {
        Candidate { terms, ..candidate }
    }

    #[test]
    fn rfc9111_4_fresh_is_served_and_stale_is_not() {
        assert_eq!(reuse(&ANY, Some(&FRESH)), Reuse::Serve);
        assert_eq!(reuse(&ANY, Some(&STALE)), Reuse::Revalidate);
        assert_eq!(reuse(&ANY, None), Reuse::Revalidate);
    }

    #[test]
    fn rfc9111_5_2_1_a_request_narrows_what_it_takes() {
        for (asked, verdict) in [
            (RequestDirectives { no_cache: true, ..ANY }, Reuse::Revalidate),
            (
                RequestDirectives {
                    max_age: Some(20),
                    ..ANY
                },
                Reuse::Serve,
            ),
            (
                RequestDirectives {
                    max_age: Some(19),
                    ..ANY
                },
                Reuse::Revalidate,
            ),
            (
                RequestDirectives {
                    min_fresh: Some(10),
                    ..ANY
                },
                Reuse::Serve,
            ),
            (
                RequestDirectives {
                    min_fresh: Some(11),
                    ..ANY
                },
                Reuse::Revalidate,
            ),
            (
                RequestDirectives {
                    max_age: Some(15),
                    max_stale: Some(5),
                    ..ANY
                },
                Reuse::Serve,
            ),
            (
                RequestDirectives {
                    max_age: Some(15),
                    max_stale: Some(4),
                    ..ANY
                },
                Reuse::Revalidate,
            ),
            (RequestDirectives { no_store: true, ..ANY }, Reuse::Serve),
        ] {
            assert_eq!(reuse(&asked, Some(&FRESH)), verdict, "{asked:?}");
        }
    }

    #[test]
    fn rfc9111_5_2_1_2_a_request_may_take_what_is_stale() {
        for (most, terms, verdict) in [
            (LONGEST, FREE, Reuse::Serve),
            (10, FREE, Reuse::Serve),
            (9, FREE, Reuse::Revalidate),
            (
                LONGEST,
                Terms {
                    forbids_stale: true,
                    ..FREE
                },
                Reuse::Revalidate,
            ),
            (
                LONGEST,
                Terms {
                    must_revalidate: true,
                    ..FREE
                },
                Reuse::Revalidate,
            ),
        ] {
            let asked = RequestDirectives {
                max_stale: Some(most),
                ..ANY
            };
            assert_eq!(reuse(&asked, Some(&with(STALE, terms))), verdict, "{most} {terms:?}");
        }
    }

    #[test]
    fn rfc9111_5_2_1_7_only_if_cached_never_reaches_the_server() {
        let asked = RequestDirectives {
            only_if_cached: true,
            ..ANY
        };
        assert_eq!(reuse(&asked, None), Reuse::Unavailable);
        assert_eq!(reuse(&asked, Some(&STALE)), Reuse::Unavailable);
        assert_eq!(reuse(&asked, Some(&FRESH)), Reuse::Serve);
    }

    #[test]
    fn rfc9111_5_2_2_4_no_cache_always_asks() {
        assert_eq!(
            reuse(&ANY, Some(&with(FRESH, Terms { no_cache: true, ..FREE }))),
            Reuse::Revalidate
        );
    }

    #[test]
    fn rfc5861_3_stale_is_served_while_it_is_renewed() {
        let renewing = Terms {
            while_revalidate: 11,
            ..FREE
        };
        assert_eq!(reuse(&ANY, Some(&with(STALE, renewing))), Reuse::ServeAndRenew);
        assert_eq!(
            reuse(
                &ANY,
                Some(&with(
                    STALE,
                    Terms {
                        while_revalidate: 10,
                        ..FREE
                    }
                ))
            ),
            Reuse::Revalidate
        );
        // What the server itself says beside `s-maxage` counts; `must-revalidate` is stronger.
        assert_eq!(
            reuse(
                &ANY,
                Some(&with(
                    STALE,
                    Terms {
                        forbids_stale: true,
                        ..renewing
                    }
                ))
            ),
            Reuse::ServeAndRenew
        );
        assert_eq!(
            reuse(
                &ANY,
                Some(&with(
                    STALE,
                    Terms {
                        must_revalidate: true,
                        ..renewing
                    }
                ))
            ),
            Reuse::Revalidate
        );
        let asked = RequestDirectives {
            max_age: Some(5),
            ..ANY
        };
        assert_eq!(reuse(&asked, Some(&with(STALE, renewing))), Reuse::Revalidate);
    }

    #[test]
    fn rfc5861_4_stale_stands_for_errors() {
        for (terms, covers) in [
            (FREE, true),
            (
                Terms {
                    if_error: Some(10),
                    ..FREE
                },
                true,
            ),
            (
                Terms {
                    if_error: Some(9),
                    ..FREE
                },
                false,
            ),
            (
                Terms {
                    if_error: Some(0),
                    ..FREE
                },
                false,
            ),
            (
                Terms {
                    forbids_stale: true,
                    ..FREE
                },
                false,
            ),
            (
                Terms {
                    forbids_stale: true,
                    if_error: Some(60),
                    ..FREE
                },
                true,
            ),
            (
                Terms {
                    must_revalidate: true,
                    if_error: Some(60),
                    ..FREE
                },
                false,
            ),
            (
                Terms {
                    no_cache: true,
                    if_error: Some(60),
                    ..FREE
                },
                false,
            ),
        ] {
            assert_eq!(covers_error(&ANY, &with(STALE, terms), 60), covers, "{terms:?}");
        }
        assert!(!covers_error(&ANY, &STALE, 0));
        for (most, forbids_stale, covers) in [(10, false, true), (9, false, false), (10, true, false)] {
            let asked = RequestDirectives {
                stale_if_error: Some(most),
                ..ANY
            };
            let terms = Terms { forbids_stale, ..FREE };
            assert_eq!(
                covers_error(&asked, &with(STALE, terms), 0),
                covers,
                "{most} {forbids_stale}"
            );
        }
        assert!(!covers_error(&RequestDirectives { no_cache: true, ..ANY }, &STALE, 60));
        assert!(is_error(503) && !is_error(501) && !is_error(404));
    }
}
