"""What may be kept, for how long, and when it may be used (RFC 9111, 3, 4.2, 5.2)."""

from __future__ import annotations

from tests.core.edge import CHANGED, case, hit, miss, stores

from .words import ETAG, FRESH, FUTURE, HTTP_PAST, OLD, kept, not_kept

STORING = (
    kept("max-age-is-stored", "3", "MAY store what has an explicit lifetime", FRESH),
    kept("s-maxage-is-stored", "3", "MAY store what has a lifetime for shared caches", "Cache-Control: s-maxage=3600"),
    kept("expires-is-stored", "3", "MAY store what has Expires", f"Expires: {FUTURE}"),
    not_kept("nothing-said-nothing-stored", "3", "no freshness, no validator: of no use"),
    not_kept("no-store", "5.2.2.5", "MUST NOT store any part", "Cache-Control: no-store, max-age=3600"),
    not_kept("private", "5.2.2.7", "a shared cache MUST NOT store", "Cache-Control: private, max-age=3600"),
    not_kept("no-store-in-any-case", "5.2", "directives are case-insensitive", "Cache-Control: No-StOrE, max-age=3600"),
    case(
        "request-no-store",
        "5.2.1.5",
        "MUST NOT store any response to it",
        stores(FRESH, sends=["Cache-Control: no-store"]),
        miss(),
    ),
    case("post-is-not-stored", "3", "the method must be understood", stores(FRESH, method="POST"), miss()),
    case("put-is-not-stored", "3", "the method must be understood", stores(FRESH, method="PUT"), miss()),
    not_kept(
        "partial-is-not-stored",
        "3.3",
        "an incomplete response is no whole one",
        FRESH,
        "Content-Range: bytes 0-2/9",
        status="206 Partial Content",
    ),
    kept("404-is-stored", "3", "statuses with explicit freshness are stored", FRESH, status="404 Not Found"),
    kept(
        "301-is-stored",
        "3",
        "statuses with explicit freshness are stored",
        FRESH,
        "Location: /x",
        status="301 Moved Permanently",
    ),
    kept("unknown-status-is-stored", "3", "statuses with explicit freshness are stored", FRESH, status="299 Odd"),
    not_kept(
        "must-understand-unknown",
        "5.2.2.3",
        "MUST NOT store what it does not understand",
        "Cache-Control: must-understand, max-age=3600",
        status="299 Odd",
    ),
    kept(
        "must-understand-known",
        "5.2.2.3",
        "SHOULD ignore no-store beside it",
        "Cache-Control: must-understand, no-store, max-age=3600",
    ),
    not_kept("set-cookie-is-for-one", "7.3", "cookies of one are not for others", FRESH, "Set-Cookie: a=b"),
    kept(
        "set-cookie-public",
        "7.3",
        "unless the response says so",
        "Cache-Control: public, max-age=3600",
        "Set-Cookie: a=b",
    ),
    case(
        "authorization-is-not-stored",
        "3.5",
        "a shared cache MUST NOT use it for others",
        stores(FRESH, sends=["Authorization: Basic eA=="]),
        miss(),
    ),
    case(
        "authorization-public",
        "3.5",
        "unless public",
        stores("Cache-Control: public, max-age=3600", sends=["Authorization: x"]),
        hit(),
    ),
    case(
        "authorization-s-maxage",
        "3.5",
        "unless s-maxage",
        stores("Cache-Control: s-maxage=3600", sends=["Authorization: x"]),
        hit(),
    ),
    case(
        "authorization-must-revalidate",
        "3.5",
        "unless must-revalidate",
        stores("Cache-Control: max-age=3600, must-revalidate", sends=["Authorization: x"]),
        hit(),
    ),
    case(
        "hop-by-hop-fields-are-not-stored",
        "3.1",
        "MUST exclude Connection and what it names",
        stores(FRESH, "Connection: x-hop", "X-Hop: 1", "X-Kept: 1"),
        hit(told={"x-kept": "1"}, untold=("x-hop",)),
    ),
    case(
        "withheld-fields-are-not-stored",
        "5.2.2.7",
        "MUST NOT store the fields that private names",
        stores('Cache-Control: max-age=3600, private="X-User"', "X-User: 1"),
        hit(untold=("x-user",)),
    ),
    case(
        "no-cache-fields-are-not-sent",
        "5.2.2.4",
        "MUST NOT send the fields that no-cache names without validation",
        stores('Cache-Control: max-age=3600, no-cache="X-User"', "X-User: 1"),
        hit(untold=("x-user",)),
    ),
)

FRESHNESS = (
    not_kept("max-age-zero", "4.2.1", "stale at once", "Cache-Control: max-age=0"),
    not_kept(
        "s-maxage-over-max-age", "5.2.2.10", "s-maxage overrides max-age", "Cache-Control: max-age=3600, s-maxage=0"
    ),
    not_kept(
        "max-age-over-expires",
        "5.3",
        "MUST ignore Expires beside max-age",
        "Cache-Control: max-age=0",
        f"Expires: {FUTURE}",
    ),
    kept("max-age-over-past-expires", "5.3", "MUST ignore Expires beside max-age", FRESH, f"Expires: {HTTP_PAST}"),
    not_kept("expires-past", "5.3", "expired", f"Expires: {HTTP_PAST}"),
    not_kept("expires-zero", "5.3", "MUST interpret invalid dates as past", "Expires: 0"),
    not_kept("expires-nonsense", "5.3", "MUST interpret invalid dates as past", "Expires: tomorrow"),
    not_kept("max-age-negative", "4.2.1", "invalid freshness is stale", "Cache-Control: max-age=-1"),
    not_kept("max-age-word", "4.2.1", "invalid freshness is stale", "Cache-Control: max-age=forever"),
    not_kept(
        "max-age-twice",
        "4.2.1",
        "of several the most restrictive",
        "Cache-Control: max-age=3600",
        "Cache-Control: max-age=0",
    ),
    kept("max-age-quoted", "5.2", "both forms of arguments", 'Cache-Control: max-age="3600"'),
    kept("max-age-huge", "1.2.2", "overflow is 2^31", "Cache-Control: max-age=99999999999999"),
    not_kept("age-counts", "4.2.3", "the age it comes with counts", *OLD),
    not_kept(
        "age-counts-date",
        "4.2.3",
        "an old Date counts",
        "Cache-Control: max-age=100",
        "Date: Sun, 06 Nov 1994 08:49:37 GMT",
    ),
    case("age-is-told", "5.1", "MUST generate Age", stores(FRESH, "Age: 30"), hit(like={"age": "3[0-9]"})),
    kept("age-nonsense-is-ignored", "5.1", "SHOULD ignore an invalid Age", FRESH, "Age: old"),
    kept("heuristic", "4.2.2", "MAY guess from Last-Modified", CHANGED),
    not_kept("heuristic-not-for-302", "4.2.2", "MUST NOT guess for other statuses", CHANGED, status="302 Found"),
    kept(
        "cdn-cache-control",
        "9213 2.2",
        "a targeted field decides",
        "Cache-Control: no-store",
        "CDN-Cache-Control: max-age=3600",
    ),
    not_kept(
        "cdn-cache-control-no-store", "9213 2.2", "a targeted field decides", FRESH, "CDN-Cache-Control: no-store"
    ),
    kept("cdn-cache-control-invalid", "9213 2.1", "MUST ignore an invalid one", FRESH, "CDN-Cache-Control: no-store,"),
)

REUSE = (
    case("request-no-cache", "5.2.1.4", "not without validation", stores(FRESH), miss("Cache-Control: no-cache")),
    case("pragma-no-cache", "5.4", "as no-cache where nothing else is said", stores(FRESH), miss("Pragma: no-cache")),
    case(
        "request-max-age", "5.2.1.1", "not older than that", stores(FRESH, "Age: 30"), miss("Cache-Control: max-age=10")
    ),
    case(
        "request-max-age-enough",
        "5.2.1.1",
        "not older than that",
        stores(FRESH, "Age: 30"),
        hit("Cache-Control: max-age=60"),
    ),
    case(
        "request-min-fresh", "5.2.1.3", "fresh for at least that", stores(FRESH), miss("Cache-Control: min-fresh=7200")
    ),
    case("request-max-stale", "5.2.1.2", "MAY be served stale", stores(*OLD, ETAG), hit("Cache-Control: max-stale")),
    case(
        "request-max-stale-too-little",
        "5.2.1.2",
        "not staler than that",
        stores(*OLD, ETAG),
        miss("Cache-Control: max-stale=50"),
    ),
    case(
        "must-revalidate-is-not-stale",
        "5.2.2.2",
        "MUST NOT be reused stale",
        stores("Cache-Control: max-age=100, must-revalidate", "Age: 200", ETAG),
        miss("Cache-Control: max-stale"),
    ),
    case(
        "proxy-revalidate-is-not-stale",
        "5.2.2.8",
        "MUST NOT be reused stale by a shared cache",
        stores("Cache-Control: max-age=100, proxy-revalidate", "Age: 200", ETAG),
        miss("Cache-Control: max-stale"),
    ),
    case(
        "s-maxage-is-not-stale",
        "5.2.2.10",
        "incorporates proxy-revalidate",
        stores("Cache-Control: s-maxage=100", "Age: 200", ETAG),
        miss("Cache-Control: max-stale"),
    ),
    case("only-if-cached", "5.2.1.7", "SHOULD be 504", hit("Cache-Control: only-if-cached", gets=504, body=None)),
    case("only-if-cached-hit", "5.2.1.7", "a stored response", stores(FRESH), hit("Cache-Control: only-if-cached")),
    case(
        "no-cache-asks",
        "5.2.2.4",
        "MUST NOT be used without validation",
        stores("Cache-Control: no-cache, max-age=3600", ETAG),
        miss(asked={"if-none-match": '"a"'}),
    ),
    case(
        "head-from-get",
        "4",
        "a stored GET answers HEAD",
        stores(FRESH),
        hit(method="HEAD", body=b"", told={"content-length": "3"}),
    ),
    case(
        "head-that-differs",
        "4.3.5",
        "SHOULD make the stored one stale",
        stores(FRESH, ETAG),
        stores(FRESH, 'ETag: "b"', method="HEAD", sends=["Cache-Control: no-cache"], body=b""),
        miss(),
    ),
    case(
        "stale-while-revalidate",
        "5861 3",
        "MAY be served while it is renewed",
        stores("Cache-Control: max-age=100, stale-while-revalidate=1000", "Age: 200", ETAG),
        stores('ETag: "a"', FRESH, status="304 Not Modified", gets=200, body=b"one"),
    ),
    case(
        "stale-if-error",
        "5861 4",
        "MAY be served for an error",
        stores("Cache-Control: max-age=100, stale-if-error=1000", "Age: 200", ETAG),
        stores(status="503 Service Unavailable", content=b"down", gets=200, body=b"one"),
    ),
    case(
        "stale-if-error-over",
        "5861 4",
        "not after that",
        stores("Cache-Control: max-age=100, stale-if-error=50", "Age: 200", ETAG),
        stores(status="503 Service Unavailable", content=b"down", gets=503),
    ),
    case(
        "error-is-told",
        "4.2.4",
        "MUST NOT be stale without leave",
        stores(*OLD, ETAG),
        stores(status="503 Service Unavailable", content=b"down", gets=503),
    ),
)
