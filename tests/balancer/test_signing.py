"""For whom the balancer's authority signs, and what the admin port says to the others."""

import pytest

from headrace.balancer.registration import BadRegistrationError
from headrace.balancer.signing import LARGEST_REQUEST, LOOPBACK, ForbiddenNameError, names_for
from headrace.errors import UsageError

from .test_admin import GOOD, Port

OWN = ["localhost", "127.0.0.1", "::1", "mill.example.org", "mill", "10.0.0.1"]


@pytest.mark.parametrize(
    ("caller", "named", "signed"),
    [
        ("10.0.0.7", "", "10.0.0.7"),
        ("10.0.0.7", "10.0.0.8", "10.0.0.8"),
        ("10.0.0.7", "Shop.Internal", "shop.internal"),
        ("::ffff:10.0.0.7", "", "10.0.0.7"),
        ("fd00::7", "", "fd00::7"),
        ("127.0.0.1", "127.0.0.2", "127.0.0.2"),
        ("127.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "mill", "mill"),
    ],
)
def test_a_certificate_is_for_what_the_balancer_will_call(caller, named, signed):
    assert names_for(caller, named, OWN) == [*LOOPBACK, signed]


@pytest.mark.parametrize("named", ["mill", "Mill.Example.Org", "10.0.0.1", "localhost", "127.0.0.1"])
def test_another_machine_cannot_pass_for_the_balancer(named):
    with pytest.raises(ForbiddenNameError):
        names_for("10.0.0.7", named, OWN)


@pytest.mark.parametrize("named", ["a b", "*.internal", "10.0.0.7:3000", "unix:/run/app.sock"])
def test_what_is_no_host_is_refused(named):
    with pytest.raises(BadRegistrationError):
        names_for("10.0.0.7", named, OWN)


async def ask(rig, target="/certificates", *, headers=GOOD, body=b"a request", sign=None, is_open=False):
    port = Port(rig)
    if sign is not None:
        port.sign = sign
    async with port.client(headers=headers, client=("10.0.0.7", 1234), is_open=is_open) as client:
        return await client.post(target, content=body)


async def test_the_request_and_the_names_are_handed_to_the_authority(rig):
    asked = []

    def sign(request, names, label):
        asked.append((request, names, label))
        return b"a certificate"

    reply = await ask(rig, "/certificates?address=10.0.0.9", sign=sign)
    assert (reply.status_code, reply.content) == (200, b"a certificate")
    assert asked == [(b"a request", [*LOOPBACK, "10.0.0.9"], "app server")]


async def test_without_the_token_nothing_is_signed(rig):
    assert (await ask(rig, headers={})).status_code == 401


async def test_an_open_port_asks_for_the_token_all_the_same(rig):
    async with Port(rig).client(headers={}, is_open=True) as client:
        assert (await client.post("/certificates", content=b"a request")).status_code == 403


def refuse(*_):
    raise UsageError("the local authority can't sign for 203.0.113.7", hint="it speaks for private names only")


@pytest.mark.parametrize(
    ("target", "body", "status", "says"),
    [
        ("/certificates?address=mill", b"", 403, "own name"),
        ("/certificates?address=a b", b"", 400, "address must be"),
        ("/certificates", b"", 400, "private names only"),
        ("/certificates", bytes(LARGEST_REQUEST + 1), 413, "the body may have"),
    ],
)
async def test_what_cannot_be_signed_is_said(rig, target, body, status, says):
    reply = await ask(rig, target, body=body, sign=refuse)
    assert reply.status_code == status
    assert says in reply.json()["message"]
