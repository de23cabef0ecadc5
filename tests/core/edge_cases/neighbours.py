"""What RFC 9111's neighbours add: use when stale (5861), telling what was done (9211), fields for the edge (9213)."""

from __future__ import annotations

from tests.core.edge import case, hit, miss, stores

from .words import ETAG, FRESH, FUTURE, OLD, kept, not_kept

UNSTORED = "Cache-Control: no-store"
HOLDS = {"status": "304 Not Modified", "gets": 200, "body": b"one"}

STALE = (
    case(
        "stale-while-revalidate",
        "5861 3",
        "MAY be served while it is renewed, which SHOULD be tried",
        stores("Cache-Control: max-age=100, stale-while-revalidate=1000", "Age: 200", ETAG),
        stores(ETAG, FRESH, **HOLDS, like={"cache-status": "headrace; hit; ttl=-[0-9]+", "age": "2[0-9]{2}"}),
    ),
    case(
        "stale-while-revalidate-over",
        "5861 3",
        "SHOULD NOT be served after that",
        stores("Cache-Control: max-age=100, stale-while-revalidate=50", "Age: 200", ETAG),
        stores(ETAG, FRESH, **HOLDS, like={"cache-status": "headrace; fwd=stale; fwd-status=304; ttl=3[0-9]{3}"}),
    ),
    case(
        "stale-if-error",
        "5861 4",
        "MAY be served for an error, visibly stale",
        stores("Cache-Control: max-age=100, stale-if-error=1000", "Age: 200", ETAG),
        stores(status="503 Service Unavailable", content=b"down", gets=200, body=b"one", like={"age": "2[0-9]{2}"}),
    ),
    case(
        "stale-if-error-over",
        "5861 4",
        "not after that",
        stores("Cache-Control: max-age=100, stale-if-error=50", "Age: 200", ETAG),
        stores(status="503 Service Unavailable", content=b"down", gets=503),
    ),
    case(
        "stale-if-error-other-status",
        "5861 4",
        "an error is 500, 502, 503 or 504",
        stores("Cache-Control: max-age=100, stale-if-error=1000", "Age: 200", ETAG),
        stores(status="501 Not Implemented", content=b"no", gets=501),
    ),
    case(
        "stale-if-error-asked",
        "5861 4",
        "a request may allow it",
        stores(*OLD, ETAG),
        stores(
            sends=["Cache-Control: stale-if-error=1000"],
            status="503 Service Unavailable",
            content=b"down",
            gets=200,
            body=b"one",
        ),
    ),
    case(
        "stale-if-error-asked-in-vain",
        "5861 4",
        "must-revalidate is stronger",
        stores("Cache-Control: max-age=100, must-revalidate", "Age: 200", ETAG),
        stores(
            sends=["Cache-Control: stale-if-error=1000"],
            status="503 Service Unavailable",
            content=b"down",
            gets=503,
        ),
    ),
)

TOLD = (
    case(
        "cache-status-miss",
        "9211 2.2",
        "nothing was stored for the URI",
        stores(FRESH, like={"cache-status": "headrace; fwd=uri-miss; stored; ttl=3[56][0-9]+"}),
    ),
    case(
        "cache-status-not-stored",
        "9211 2.5",
        "stored is left out where nothing was",
        stores(UNSTORED, told={"cache-status": "headrace; fwd=uri-miss"}),
    ),
    case(
        "cache-status-hit",
        "9211 2.1",
        "a hit was not forwarded",
        stores(FRESH, "Age: 1600"),
        hit(like={"cache-status": "headrace; hit; ttl=(19[0-9]{2}|2000)"}),
    ),
    case(
        "cache-status-hit-of-a-part",
        "9211 2.1",
        "304 and 206 are hits, too",
        stores(FRESH, ETAG),
        hit('If-None-Match: "a"', gets=304, body=b"", like={"cache-status": "headrace; hit; ttl=.*"}),
        hit("Range: bytes=0-0", gets=206, body=b"o", like={"cache-status": "headrace; hit; ttl=.*"}),
    ),
    case(
        "cache-status-vary-miss",
        "9211 2.2",
        "none of those that are stored was selected",
        stores(FRESH, "Vary: X-A", sends=["X-A: 1"]),
        miss("X-A: 2", told={"cache-status": "headrace; fwd=vary-miss"}),
    ),
    case(
        "cache-status-request",
        "9211 2.2",
        "the request did not allow a fresh one",
        stores(FRESH),
        miss("Cache-Control: no-cache", told={"cache-status": "headrace; fwd=request"}),
    ),
    case(
        "cache-status-stale",
        "9211 2.2, 2.3",
        "it was stale, and fwd-status is what the server said",
        stores(*OLD, ETAG),
        stores(ETAG, FRESH, **HOLDS, like={"cache-status": "headrace; fwd=stale; fwd-status=304; ttl=3[0-9]{3}"}),
    ),
    case(
        "cache-status-method",
        "9211 2.2",
        "the method",
        stores(method="POST", content=b"done", told={"cache-status": "headrace; fwd=method"}),
    ),
    case(
        "cache-status-bypass",
        "9211 2.2",
        "not handled by the cache",
        stores(FRESH, ETAG),
        miss('If-Match: "b"', told={"cache-status": "headrace; fwd=bypass"}),
    ),
    case(
        "cache-status-of-a-part",
        "9211 2.2",
        "nothing is stored, not a part either",
        stores(
            FRESH,
            "Content-Range: bytes 0-0/10",
            sends=["Range: bytes=0-0"],
            status="206 Partial Content",
            content=b"0",
            told={"cache-status": "headrace; fwd=uri-miss"},
        ),
    ),
    case(
        "cache-status-not-of-our-own",
        "9211 2",
        "SHOULD NOT be added to what is not based on a stored response",
        hit("Cache-Control: only-if-cached", gets=504, body=None, untold=("cache-status",)),
    ),
)

TARGETED = (
    kept(
        "cdn-cache-control",
        "9213 2.2",
        "MUST ignore Cache-Control beside it",
        UNSTORED,
        "CDN-Cache-Control: max-age=3600",
    ),
    not_kept("cdn-cache-control-no-store", "9213 2.2", "MUST implement no-store", FRESH, "CDN-Cache-Control: no-store"),
    not_kept("cdn-cache-control-private", "9213 2.2", "MUST implement private", FRESH, "CDN-Cache-Control: private"),
    case(
        "cdn-cache-control-no-cache",
        "9213 2.2",
        "MUST implement no-cache",
        stores(FRESH, ETAG, "CDN-Cache-Control: no-cache, max-age=3600"),
        miss(asked={"if-none-match": '"a"'}),
    ),
    case(
        "cdn-cache-control-must-revalidate",
        "9213 2.2",
        "MUST implement must-revalidate",
        stores("Cache-Control: max-age=100", "CDN-Cache-Control: max-age=100, must-revalidate", "Age: 200", ETAG),
        miss("Cache-Control: max-stale"),
    ),
    not_kept(
        "cdn-cache-control-over-expires",
        "9213 2.2",
        "MUST ignore Expires beside it",
        "CDN-Cache-Control: must-revalidate",
        f"Expires: {FUTURE}",
    ),
    kept("cdn-cache-control-invalid", "9213 2.1", "MUST ignore an invalid one", FRESH, "CDN-Cache-Control: no-store,"),
    kept("cdn-cache-control-empty", "9213 2.1", "MUST ignore an empty one", FRESH, "CDN-Cache-Control: "),
    kept(
        "cdn-cache-control-parameters",
        "9213 2.1",
        "parameters are ignored",
        UNSTORED,
        "CDN-Cache-Control: max-age=3600;x=y",
    ),
    kept(
        "cdn-cache-control-unknown",
        "9213 2.2",
        "unknown directives are ignored",
        UNSTORED,
        "CDN-Cache-Control: max-age=3600, x-no-store",
    ),
    case(
        "other-targets",
        "9213 2.2",
        "MUST NOT be changed by fields for others, MUST pass them on",
        stores(FRESH, "Other-Cache-Control: no-store"),
        hit(told={"other-cache-control": "no-store"}),
    ),
)
