"""What the balancer adds, replaces and takes out of the fields on their way. RFC 9110, 7.6; RFC 7239."""

from __future__ import annotations

import pytest

from headrace._core import BalancerOptions, CoreError

from .app_server import answers, echoes
from .wire import Client, reply

LOOPBACK = {"trusted": ["127.0.0.0/8"]}


@pytest.fixture
def sees(start_server, start_balancer):
    """Sends a GET with these fields and returns what the server saw."""

    def see(*fields: str, **start):
        app = start_server(echoes)
        assert start_balancer([app], **start).client().get("/", *fields).status == 200
        return app.requests[0]

    return see


def test_the_server_learns_who_asks_and_how(sees):
    message = sees()
    assert message["x-forwarded-for"] == "127.0.0.1"
    assert message["x-forwarded-proto"] == "http"
    assert message["x-forwarded-host"] == "app.test"
    assert message["host"] == "app.test"


def test_over_tls_the_scheme_is_https(start_server, start_balancer, tls, authority):
    app = start_server(echoes)
    start_balancer([app], tls=tls).client(tls=authority.client_context()).get()
    assert app.requests[0]["x-forwarded-proto"] == "https"


def test_a_stranger_s_claims_are_replaced(sees):
    message = sees(
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-For: 5.6.7.8",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.test",
        "Forwarded: for=1.2.3.4;proto=https;host=evil.test",
    )
    assert message.all("x-forwarded-for") == ["127.0.0.1"]
    assert message.all("x-forwarded-proto") == ["http"]
    assert message.all("x-forwarded-host") == ["app.test"]
    assert "forwarded" not in message


CLAIMS = ["X-Forwarded-Port", "X-Forwarded-Ssl", "X-Forwarded-Protocol", "X-Forwarded-User", "X-Real-IP"]


@pytest.mark.parametrize("name", CLAIMS)
def test_what_only_a_hop_can_know_is_believed_of_a_trusted_one_alone(sees, name):
    assert name.lower() not in sees(f"{name}: on")
    assert sees(f"{name}: on", options=LOOPBACK)[name.lower()] == "on"


def test_a_trusted_hop_is_believed_and_added(sees):
    message = sees(
        "X-Forwarded-For: 1.2.3.4, 5.6.7.8",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: public.test",
        options=LOOPBACK,
    )
    assert message.all("x-forwarded-for") in (["1.2.3.4, 5.6.7.8, 127.0.0.1"], ["1.2.3.4, 5.6.7.8", "127.0.0.1"])
    assert message.all("x-forwarded-proto") == ["https"]
    assert message.all("x-forwarded-host") == ["public.test"]


def test_a_trusted_hop_that_claims_nothing_is_described(sees):
    message = sees(options=LOOPBACK)
    assert message.all("x-forwarded-for") == ["127.0.0.1"]
    assert message.all("x-forwarded-proto") == ["http"]
    assert message.all("x-forwarded-host") == ["app.test"]


def test_trust_is_for_the_named_networks_only(sees):
    assert (
        sees("X-Forwarded-For: 1.2.3.4", options={"trusted": ["10.0.0.0/8", "::1/128"]})["x-forwarded-for"]
        == "127.0.0.1"
    )


@pytest.mark.parametrize(
    ("trusted", "expected"), [([], "::1"), (["::1/128"], "1.2.3.4, ::1"), (["::/0"], "1.2.3.4, ::1")]
)
def test_addresses_may_be_of_ipv6(sees, trusted, expected):
    message = sees("X-Forwarded-For: 1.2.3.4", options={"trusted": trusted}, address="[::1]:0")
    assert message["x-forwarded-for"] == expected


@pytest.mark.parametrize(("trusted", "expected"), [([], "127.0.0.1"), (["127.0.0.0/8"], "1.2.3.4, 127.0.0.1")])
def test_an_ipv4_client_of_a_dual_listener_is_one(start_server, start_balancer, trusted, expected):
    app = start_server(echoes)
    address = start_balancer([app], options={"trusted": trusted}, address="[::]:0").address
    client = Client(f"127.0.0.1:{address.rpartition(':')[2]}")
    client.get("/", "X-Forwarded-For: 1.2.3.4")
    client.close()
    assert app.requests[0]["x-forwarded-for"] == expected


@pytest.mark.parametrize("network", ["", "nonsense", "10.0.0.0/33", "10.0.0.0/x", "::/129", "localhost"])
def test_a_network_that_cannot_be_is_refused(network):
    with pytest.raises((CoreError, ValueError)):
        BalancerOptions(trusted=[network])


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X_Forwarded-Proto", "X_REQUEST_ID", "x_forwarded_ssl"])
def test_a_spelling_that_wsgi_cannot_tell_apart_does_not_pass(sees, name):
    """CGI variables, and so WSGI, make `HTTP_X_FORWARDED_FOR` of both."""
    assert name.lower() not in sees(f"{name}: 1.2.3.4")


def test_every_request_has_an_id_of_its_own(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    for _ in range(50):
        client.get()
    ids = {message["x-request-id"] for message in app.requests}
    assert len(ids) == 50
    assert all(len(request_id) >= 16 for request_id in ids)


def test_a_stranger_s_request_id_is_replaced_and_a_trusted_one_kept(sees):
    assert sees("X-Request-Id: forged")["x-request-id"] != "forged"
    assert sees("X-Request-Id: known", options=LOOPBACK)["x-request-id"] == "known"


def test_forwarded_is_added_when_asked_for(sees):
    parts = sees("Forwarded: for=1.2.3.4", options={"forwarded": True})["forwarded"].lower().split(";")
    assert {part.strip() for part in parts} >= {"for=127.0.0.1", "proto=http"}


def test_forwarded_quotes_what_is_no_token(start_server, start_balancer):
    app = start_server(echoes)
    proxy = start_balancer([app], options={"forwarded": True}, address="[::1]:0")
    proxy.client().get()
    assert 'for="[::1]"' in app.requests[0]["forwarded"].lower()


def test_forwarded_of_a_trusted_hop_is_continued(sees):
    fields = sees("Forwarded: for=1.2.3.4", options={**LOOPBACK, "forwarded": True}).all("forwarded")
    elements = ", ".join(fields).split(", ")
    assert elements[0] == "for=1.2.3.4"
    assert "for=127.0.0.1" in elements[1].lower()


def test_via_names_the_balancer_both_ways_when_asked_for(start_server, start_balancer):
    app = start_server(answers(reply(b"ok", "Via: 1.0 inner")))
    response = start_balancer([app], options={"via": "edge"}).client().get("/", "Via: 1.0 outer")
    assert ", ".join(app.requests[0].all("via")) == "1.0 outer, 1.1 edge"
    assert ", ".join(response.all("via")) == "1.0 inner, 1.1 edge"


def test_there_is_no_via_by_default(start_server, start_balancer):
    app = start_server(answers())
    response = start_balancer([app]).client().get()
    assert "via" not in response
    assert "via" not in app.requests[0]


def test_the_server_field_is_the_app_s_or_the_configured_one(start_server, start_balancer):
    app = start_server(answers(reply(b"ok", "Server: app/1")))
    assert start_balancer([app]).client().get().all("server") == ["app/1"]
    assert start_balancer([app], options={"server": "headrace"}).client().get().all("server") == ["headrace"]
    assert start_balancer([], options={"server": "headrace"}).client().get().all("server") == ["headrace"]


HOP_BY_HOP = [
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "X-Named: 1",
    "X-Other: 2",
    "Connection: X-Named, x-other, close",
]


def test_hop_by_hop_fields_end_at_the_balancer_towards_the_server(sees):
    message = sees(*HOP_BY_HOP, "TE: gzip;q=1", "X-Stays: 3", "Proxy-Authorization: Basic x")
    for name in ("keep-alive", "proxy-connection", "x-named", "x-other"):
        assert name not in message, name
    assert message.all("te") in ([], ["trailers"])
    assert message["x-stays"] == "3"
    assert "close" not in ", ".join(message.all("connection"))


def test_hop_by_hop_fields_end_at_the_balancer_towards_the_client(start_server, start_balancer):
    response = start_balancer([start_server(answers(reply(b"ok", *HOP_BY_HOP, "X-Stays: 3")))]).client().get()
    for name in ("keep-alive", "proxy-connection", "x-named", "x-other"):
        assert name not in response, name
    assert response["x-stays"] == "3"


def test_several_connection_fields_are_all_obeyed(sees):
    message = sees("Connection: X-One", "Connection: ,X-Two ,", "X-One: 1", "X-Two: 2", "X-Stays: 3")
    assert "x-one" not in message
    assert "x-two" not in message
    assert message["x-stays"] == "3"


@pytest.mark.parametrize(
    ("nominated", "expected"),
    [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("Host", "app.test"),
        ("X-Forwarded-Host", "app.test"),
        ("Authorization", "Bearer x"),
    ],
)
def test_a_client_cannot_have_the_balancer_s_fields_removed(sees, nominated, expected):
    message = sees(f"Connection: close, {nominated}", "Authorization: Bearer x")
    assert message[nominated.lower()] == expected


def test_a_client_cannot_have_the_framing_removed(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    assert client.post(b"hello", "/", "Connection: Content-Length").body == b"hello"
    assert app.requests[0]["content-length"] == "5"


def test_the_port_of_the_host_is_kept(start_server, start_balancer):
    app = start_server(echoes)
    client = start_balancer([app]).client()
    client.send(b"GET / HTTP/1.1\r\nHost: App.Test:2000\r\n\r\n")
    client.response()
    assert app.requests[0]["host"] == "App.Test:2000"


def test_credentials_and_cookies_pass(sees):
    message = sees("Authorization: Bearer x", "Cookie: a=1; b=2", "Origin: null", "Referer: http://x/")
    assert (message["authorization"], message["cookie"]) == ("Bearer x", "a=1; b=2")
    assert (message["origin"], message["referer"]) == ("null", "http://x/")
