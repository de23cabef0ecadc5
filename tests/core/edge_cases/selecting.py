"""Which of several responses it is, whether it still holds, and what of it is wanted (RFC 9111, 4.1, 4.3)."""

from __future__ import annotations

from tests.core.edge import CHANGED, LONG_AGO, case, hit, miss, stores

from .words import ETAG, FRESH, OLD

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
