"""Certificates that are about to end are made anew while everything runs, and shown to whoever connects next."""

import asyncio
import datetime as dt
import socket
import time

from cryptography import x509

from headrace.certs.authority import Authority
from headrace.certs.listing import entries
from headrace.clock import Clock
from tests.processes import until

from .load import Load
from .stack import Stack

LONG_AGO = 70 * 86400.0  # seconds; of the 90 days of a leaf more than two thirds
FOLLOWED = 30.0  # seconds within which a new file is shown by all


def shown(stack: Stack, address: str) -> x509.Certificate:
    """What a new connection is shown, verified by the authority."""
    host, port = address.rsplit(":", 1)
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        stack.trust.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True))


def age(authority: Authority, label: str) -> None:
    """Puts a certificate in the place of that of `label` which was signed long ago."""
    (names,) = (entry.names for entry in entries(authority) if entry.label == label)
    authority.leaf(names, label)


async def test_an_expiring_certificate_is_renewed_and_shown_without_a_restart(stack: Stack):
    long_ago = Authority(stack.state / "certs", Clock(wall=lambda: time.time() - LONG_AGO))
    stack.env = {"HEADRACE_TLS_RENEWAL": "1s"}
    processes = [stack.balance(), stack.serve("plain:app")]
    places = {
        f"127.0.0.1:{stack.port}": "balancer",
        stack.admin_url.removeprefix("https://"): "balancer",
        stack.servers()[0]["address"]: "app",
    }
    before = {place: shown(stack, place) for place in places}

    def renewed() -> bool:
        yesterday = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=2)
        now = {place: shown(stack, place) for place in places}
        return all(now[place] != before[place] and now[place].not_valid_before_utc > yesterday for place in places)

    async with Load(stack.port, stack.trust, rate=30) as load:
        for label in set(places.values()):
            age(long_ago, label)
        await asyncio.to_thread(until, renewed, FOLLOWED, "renewed certificate everywhere")
        await load.reaches(len(load.outcomes) + 30)
    assert not load.problems()
    assert [process.popen.poll() for process in processes] == [None, None]


async def test_an_authority_that_is_about_to_end_is_said_at_each_look_and_harms_nobody(stack: Stack):
    Authority(stack.state / "certs", Clock(wall=lambda: time.time() - 3640 * 86400.0))
    stack.env = {"HEADRACE_TLS_RENEWAL": "200ms"}
    processes = [stack.balance(), stack.serve("plain:app")]
    for process in processes:
        await asyncio.to_thread(until, lambda p=process: p.output().count("in 8 days") > 2, 10, "warning, repeated")
    with stack.client() as client:
        assert client.get("/").status_code == 200
