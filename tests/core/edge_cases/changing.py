"""What a change makes of no use, and what is told of it all (RFC 9111, 4.4; RFC 9211; RFC 9875)."""

from __future__ import annotations

from tests.core.edge import case, hit, miss, stores

from .words import FRESH

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
        stores(FRESH, "Vary: X-A", sends=["X-A: 2"]),
        stores(method="POST", content=b"done"),
        miss("X-A: 1"),
        miss("X-A: 2"),
    ),
    case(
        "redirecting-post-invalidates",
        "4.4",
        "3xx is no error",
        stores(FRESH),
        stores("Location: /done", method="POST", status="303 See Other", content=b"", gets=303),
        miss(),
    ),
    case(
        "refused-post-does-not",
        "4.4",
        "4xx is an error",
        stores(FRESH),
        stores(method="POST", status="422 Unprocessable Content", content=b"no", gets=422),
        hit(),
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
    case(
        "unknown-fields-are-stored",
        "3.1",
        "MUST include all fields",
        stores(FRESH, "X-Odd: 1", "Odder: two, 2"),
        hit(told={"x-odd": "1", "odder": "two, 2"}),
    ),
    case(
        "directives-of-requests-are-passed-on",
        "5.2",
        "MUST pass directives through",
        stores(
            FRESH,
            sends=["Cache-Control: max-age=5, x-new"],
            asked={"cache-control": "max-age=5, x-new"},
        ),
    ),
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
