import pytest

from headrace.app.forwarded import LOOPBACK, Forwarded, client_of

OUTSIDE = ("198.51.100.7", 4711)


def applied(peer, *fields, kind="http", trusted=LOOPBACK):
    scope = {"type": kind, "client": peer, "scheme": "http", "headers": list(fields)}
    Forwarded(trusted).apply(scope)
    return scope["client"], scope["scheme"]


FOR = (b"x-forwarded-for", b"203.0.113.9")
PROTO = (b"x-forwarded-proto", b"https")


@pytest.mark.parametrize("peer", [("127.0.0.1", 1), ("::1", 1), None])
def test_this_machine_and_unix_sockets_are_believed(peer):
    assert applied(peer, FOR, PROTO) == (("203.0.113.9", 0), "https")


def test_a_stranger_isnt():
    assert applied(OUTSIDE, FOR, PROTO) == (OUTSIDE, "http")


def test_the_balancer_elsewhere_is():
    assert applied(OUTSIDE, FOR, PROTO, trusted=LOOPBACK | {OUTSIDE[0]})[1] == "https"


def test_without_the_fields_everything_stays():
    assert applied(("127.0.0.1", 1), (b"host", b"a")) == (("127.0.0.1", 1), "http")


def test_a_websocket_has_schemes_of_its_own():
    assert applied(None, PROTO, kind="websocket")[1] == "wss"


def test_a_scheme_that_is_none_is_ignored():
    assert applied(None, (b"x-forwarded-proto", b"gopher"))[1] == "http"


def test_of_repeated_fields_the_last_is_the_balancers():
    assert applied(None, (b"x-forwarded-for", b"192.0.2.66"), FOR)[0] == ("203.0.113.9", 0)


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 10.0.0.5 ", "10.0.0.5"),
        ("forged, 8.8.4.4, 10.0.0.2", "8.8.4.4"),
        ("10.0.0.5, 10.0.0.2", "10.0.0.5"),
        ("unknown, 10.0.0.2", "unknown"),
        ("", ""),
    ],
)
def test_the_client_is_the_last_hop_that_isnt_ones_own(hops, client):
    assert client_of(hops) == client
