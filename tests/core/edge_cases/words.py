"""What the cases share: fields that many responses have, and the two shortest stories."""

from __future__ import annotations

from tests.core.edge import case, hit, miss, stores

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
