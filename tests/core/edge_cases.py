"""What RFC 9111 requires of a shared cache, case by case; docs/cache.md refers to them by name."""

from __future__ import annotations

from .edge import CHANGED, LONG_AGO, case, hit, miss, stores

FRESH = "Cache-Control: max-age=3600"
OLD = ("Cache-Control: max-age=100", "Age: 200")
ETAG = 'ETag: "a"'
HTTP_PAST = "Thu, 01 Jan 1970 00:00:10 GMT"
FUTURE = "Thu, 01 Jan 2099 00:00:00 GMT"


def kept(name, section, requirement, *gives, **more):
    """The response is used again."""
    return case(name, section, requirement, stores(*gives, **more), hit(gets=int(more.get("status", "200")[:3])))


def not_kept(name, section, requirement, *gives, **more):
    """The response is not used again."""
    return case(name, section, requirement, stores(*gives, gets=int(more.get("status", "200")[:3]), **more), miss())


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

VARY = (
    case(
        "vary-match", "4.1", "selecting fields must match", stores(FRESH, "Vary: X-A", sends=["X-A: 1"]), hit("X-A: 1")
    ),
    case(
        "vary-differs",
        "4.1",
        "MUST NOT be used when they differ",
        stores(FRESH, "Vary: X-A", sends=["X-A: 1"]),
        miss("X-A: 2"),
    ),
    case("vary-absent", "4.1", "absent matches absent only", stores(FRESH, "Vary: X-A"), miss("X-A: 2")),
    case("vary-star", "4.1", "* never matches", stores(FRESH, "Vary: *"), miss()),
    case("vary-star-in-list", "4.1", "* never matches", stores(FRESH, "Vary: X-A, *"), miss()),
    case(
        "vary-two-variants",
        "4.1",
        "each has its own",
        stores(FRESH, "Vary: X-A", sends=["X-A: 1"]),
        stores(FRESH, "Vary: X-A", sends=["X-A: 2"], content=b"two"),
        hit("X-A: 1"),
        hit("X-A: 2", body=b"two"),
    ),
    case(
        "vary-normal-form",
        "4.1",
        "MAY normalise",
        stores(FRESH, "Vary: Accept-Encoding", sends=["Accept-Encoding: gzip, br"]),
        hit("Accept-Encoding: br;q=0.9,gzip"),
    ),
    case(
        "vary-two-fields",
        "4.1",
        "all must match",
        stores(FRESH, "Vary: X-A", "Vary: X-B", sends=["X-A: 1", "X-B: 1"]),
        hit("X-A: 1", "X-B: 1"),
        miss("X-A: 1", "X-B: 2"),
    ),
)

VALIDATION = (
    case(
        "if-none-match",
        "4.3.2",
        "304 to who has it",
        stores(FRESH, ETAG),
        hit('If-None-Match: "a"', gets=304, body=b"", told={"etag": '"a"'}),
    ),
    case(
        "if-none-match-weak",
        "4.3.2",
        "weak comparison",
        stores(FRESH, ETAG),
        hit('If-None-Match: "x", W/"a"', gets=304, body=b""),
    ),
    case("if-none-match-other", "4.3.2", "200 to who has another", stores(FRESH, ETAG), hit('If-None-Match: "b"')),
    case(
        "if-modified-since",
        "4.3.2",
        "304 when not modified since",
        stores(FRESH, CHANGED),
        hit(CHANGED.replace("Last-Modified", "If-Modified-Since"), gets=304, body=b""),
    ),
    case("if-modified-since-older", "4.3.2", "200 when modified since", stores(FRESH, CHANGED), hit(LONG_AGO)),
    case(
        "if-none-match-first",
        "4.3.2",
        "If-None-Match counts before a date",
        stores(FRESH, ETAG, CHANGED),
        hit('If-None-Match: "b"', CHANGED.replace("Last-Modified", "If-Modified-Since")),
    ),
    case(
        "304-has-no-representation-data",
        "4.3.2",
        "what describes a body is left out",
        stores(FRESH, ETAG, "Content-Type: text/plain"),
        hit('If-None-Match: "a"', gets=304, body=b"", untold=("content-type",)),
    ),
    case(
        "validates-with-etag",
        "4.3.1",
        "MUST send the stored validators",
        stores(*OLD, ETAG),
        stores(ETAG, FRESH, status="304 Not Modified", gets=200, body=b"one", asked={"if-none-match": '"a"'}),
        hit(),
    ),
    case(
        "validates-with-date",
        "4.3.1",
        "SHOULD send Last-Modified",
        stores(*OLD, CHANGED),
        stores(
            FRESH,
            status="304 Not Modified",
            gets=200,
            body=b"one",
            asked={"if-modified-since": CHANGED.split(": ", 1)[1]},
        ),
        hit(),
    ),
    case(
        "validation-brings-another",
        "4.3.3",
        "a full response replaces it",
        stores(*OLD, ETAG),
        stores(FRESH, 'ETag: "b"', content=b"two"),
        hit(body=b"two"),
    ),
    case(
        "304-updates-fields",
        "3.2",
        "MUST add each field of the 304",
        stores(*OLD, ETAG, "X-A: 1"),
        stores(ETAG, FRESH, "X-A: 2", status="304 Not Modified", gets=200, body=b"one", told={"x-a": "2"}),
        hit(told={"x-a": "2"}),
    ),
    case(
        "client-conditions-are-ours-in-validation",
        "4.3.1",
        "our condition takes the client's place",
        stores(*OLD, ETAG),
        stores(
            ETAG,
            FRESH,
            sends=['If-None-Match: "z"'],
            status="304 Not Modified",
            gets=200,
            body=b"one",
            asked={"if-none-match": '"a"'},
        ),
    ),
    case(
        "unknown-to-the-store-is-passed-on",
        "4.3.2",
        "MUST NOT evaluate without a stored response",
        stores(
            sends=['If-None-Match: "z"'], status="304 Not Modified", gets=304, body=b"", asked={"if-none-match": '"z"'}
        ),
    ),
)

RANGES = (
    case(
        "range",
        "9110 14",
        "a part of the whole",
        stores(FRESH, content=b"0123456789"),
        hit("Range: bytes=2-4", gets=206, body=b"234", told={"content-range": "bytes 2-4/10"}),
    ),
    case(
        "range-suffix",
        "9110 14",
        "the last bytes",
        stores(FRESH, content=b"0123456789"),
        hit("Range: bytes=-2", gets=206, body=b"89"),
    ),
    case(
        "range-outside",
        "9110 15.5.17",
        "416",
        stores(FRESH, content=b"0123456789"),
        hit("Range: bytes=20-", gets=416, body=b"", told={"content-range": "bytes */10"}),
    ),
    case(
        "range-nonsense",
        "9110 14.2",
        "ignored",
        stores(FRESH, content=b"0123456789"),
        hit("Range: lines=1-2", body=b"0123456789"),
    ),
    case(
        "if-range",
        "9110 13.1.5",
        "a part where it holds",
        stores(FRESH, ETAG, content=b"0123456789"),
        hit("Range: bytes=0-0", 'If-Range: "a"', gets=206, body=b"0"),
    ),
    case(
        "if-range-other",
        "9110 13.1.5",
        "the whole where it does not",
        stores(FRESH, ETAG, content=b"0123456789"),
        hit("Range: bytes=0-0", 'If-Range: "b"', body=b"0123456789"),
    ),
    case(
        "range-is-passed-on",
        "3.3",
        "parts are not stored",
        stores(
            FRESH,
            "Content-Range: bytes 0-0/10",
            sends=["Range: bytes=0-0"],
            content=b"0",
            status="206 Partial Content",
            gets=206,
            asked={"range": "bytes=0-0"},
        ),
        miss(),
    ),
)

INVALIDATION = (
    case(
        "post-invalidates",
        "4.4",
        "MUST invalidate the target",
        stores(FRESH),
        stores(method="POST", content=b"done"),
        miss(),
    ),
    case(
        "put-invalidates",
        "4.4",
        "MUST invalidate the target",
        stores(FRESH),
        stores(method="PUT", content=b"done"),
        miss(),
    ),
    case(
        "delete-invalidates",
        "4.4",
        "MUST invalidate the target",
        stores(FRESH),
        stores(method="DELETE", content=b"done"),
        miss(),
    ),
    case(
        "unknown-method-invalidates",
        "4.4",
        "also methods it does not know",
        stores(FRESH),
        stores(method="FOO", content=b"done"),
        miss(),
    ),
    case(
        "failed-post-does-not",
        "4.4",
        "only a non-error response",
        stores(FRESH),
        stores(method="POST", status="500 Oops", content=b"no", gets=500),
        hit(),
    ),
    case(
        "variants-are-invalidated",
        "4.4",
        "all stored responses of the URI",
        stores(FRESH, "Vary: X-A", sends=["X-A: 1"]),
        stores(method="POST", content=b"done"),
        miss("X-A: 1"),
    ),
    case(
        "options-does-not",
        "4.4",
        "safe methods change nothing",
        stores(FRESH),
        stores(method="OPTIONS", content=b"ok"),
        hit(),
    ),
)

STATUS = (
    case(
        "directives-are-passed-on",
        "5.2",
        "MUST pass directives through",
        stores("Cache-Control: max-age=3600, x-new=1", told={"cache-control": "max-age=3600, x-new=1"}),
        hit(told={"cache-control": "max-age=3600, x-new=1"}),
    ),
    case(
        "unknown-directives-are-ignored",
        "5.2.3",
        "MUST ignore what it does not know",
        stores("Cache-Control: max-age=3600, x-no-store"),
        hit(),
    ),
    case("unknown-fields-are-stored", "3.1", "MUST include all fields", stores(FRESH, "X-Odd: 1", "X-Odd: 2"), hit()),
    case(
        "content-is-not-transformed",
        "5.2.2.6",
        "MUST NOT transform",
        stores("Cache-Control: max-age=3600, no-transform", "Content-Encoding: gzip", content=b"zip"),
        hit(body=b"zip", told={"content-encoding": "gzip"}),
    ),
    case(
        "unsafe-methods-are-written-through",
        "4",
        "MUST write through",
        stores(FRESH),
        stores(method="POST", content=b"done", gets=200),
    ),
    case(
        "cache-status-miss",
        "9211 2",
        "why it was forwarded",
        stores(FRESH, like={"cache-status": "headrace; fwd=uri-miss; stored; ttl=3[56][0-9]+"}),
    ),
    case(
        "cache-status-hit",
        "9211 2",
        "a hit",
        stores(FRESH, "Age: 1600"),
        hit(like={"cache-status": "headrace; hit; ttl=(19[0-9]{2}|2000)"}),
    ),
    case(
        "surrogate-keys-are-for-us",
        "-",
        "stripped by practice",
        stores(FRESH, "Surrogate-Key: a", 'Cache-Groups: "g"', untold=("surrogate-key",)),
        hit(untold=("surrogate-key",), told={"cache-groups": '"g"'}),
    ),
    case(
        "date-is-kept",
        "9110 6.6.1",
        "MUST record when it came",
        stores(FRESH, "Date: Sun, 06 Nov 2095 08:49:37 GMT"),
        hit(told={"date": "Sun, 06 Nov 2095 08:49:37 GMT"}),
    ),
)

CASES = (*STORING, *FRESHNESS, *REUSE, *VARY, *VALIDATION, *RANGES, *INVALIDATION, *STATUS)
