"""What app servers say at the admin port."""

import pytest

from headrace.balancer.member import Offer
from headrace.balancer.registration import BadRegistrationError, read_offer, read_static


@pytest.mark.parametrize(
    ("caller", "address"),
    [
        ("10.0.0.5", "10.0.0.5:3000"),
        ("::1", "[::1]:3000"),
        ("::ffff:127.0.0.1", "127.0.0.1:3000"),
    ],
)
def test_the_address_is_the_callers_with_the_port(caller, address):
    assert read_offer({"port": "3000"}, caller) == Offer(address)


def test_everything_that_can_be_said_is_taken_in():
    said = {
        "port": "3000",
        "address": "App-1.example.org",
        "scheme": "http,https",
        "service": "shop, blog,shop",
        "weight": "3",
        "capacity": "8",
        "version": "1.2 (abc)",
    }
    assert read_offer(said, "10.0.0.5") == Offer(
        "app-1.example.org:3000", "https", ("shop", "blog"), weight=3, capacity=8, version="1.2 (abc)"
    )


def test_a_unix_socket_needs_no_port():
    assert read_offer({"address": "unix:/run/app.sock"}, "").address == "unix:/run/app.sock"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "port"),
        ({"port": ""}, "port"),
        ({"port": "0"}, "port"),
        ({"port": "65536"}, "port"),
        ({"port": "-1"}, "port"),
        ({"port": "+80"}, "port"),
        ({"port": "\uff13\uff10"}, "port"),
        ({"port": "3000", "weight": "0"}, "weight"),
        ({"port": "3000", "weight": "1001"}, "weight"),
        ({"port": "3000", "weight": "1.5"}, "weight"),
        ({"port": "3000", "capacity": "-1"}, "capacity"),
        ({"port": "3000", "scheme": "ftp"}, "scheme"),
        ({"port": "3000", "scheme": ""}, "scheme"),
        ({"port": "3000", "service": "a/b"}, "service"),
        ({"port": "3000", "version": "x" * 101}, "version"),
        ({"port": "3000", "version": "a\nb"}, "version"),
        ({"port": "3000", "address": "a b"}, "address"),
        ({"port": "3000", "address": "user@host"}, "address"),
        ({"port": "3000", "address": "host\r\nx"}, "address"),
        ({"address": "unix:relative"}, "unix"),
        ({"address": "unix:/" + "x" * 107}, "bytes"),
        ({"address": "unix:/a\0b"}, "unix"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(said, reason):
    with pytest.raises(BadRegistrationError, match=reason):
        read_offer(said, "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "offer"),
    [
        ("127.0.0.1:3000", Offer("127.0.0.1:3000", static=True)),
        ("https://app:3000", Offer("app:3000", "https", static=True)),
        ("http://[::1]:3000", Offer("[::1]:3000", static=True)),
        ("unix:/run/app.sock", Offer("unix:/run/app.sock", static=True)),
        ("https://unix:/run/app.sock", Offer("unix:/run/app.sock", "https", static=True)),
    ],
)
def test_a_server_of_the_settings_is_read(text, offer):
    assert read_static(text) == offer


@pytest.mark.parametrize("text", ["", "3000", "host", "ftp://host:1", "host:0", "http://host:1/path"])
def test_a_server_of_the_settings_that_makes_no_sense_is_refused(text):
    with pytest.raises(BadRegistrationError):
        read_static(text)
