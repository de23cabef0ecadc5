"""The balancer stops, crashes and comes back; its members are there again without being touched."""

import asyncio
import signal
import time

import pytest

from tests.processes import until

from .load import Load
from .stack import Stack


def renewed(stack: Stack, since: float) -> list[str]:
    """Members that have called since then, and are not only remembered."""
    return [server["id"] for server in stack.up() if server["lease_age"] < time.monotonic() - since]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_a_restarted_balancer_has_its_members_at_once(stack: Stack, number: signal.Signals):
    balancer = stack.balance()
    stack.serve("plain:app", workers=2)
    async with Load(stack.port, stack.trust, rate=80) as load:
        await load.reaches(80)
        balancer.signal(number)
        code = await asyncio.to_thread(balancer.popen.wait, 20)
        await asyncio.to_thread(stack.balance)
        ready = time.monotonic()
        await asyncio.to_thread(until, lambda: len(stack.up()) == 2, 2, "two members")
        await asyncio.to_thread(until, lambda: len(renewed(stack, ready)) == 2, 5, "two members that say so themselves")
        await load.reaches(len(load.outcomes) + 80)
    assert code == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    # While no balancer listens, clients can't connect; but nobody is ever told that there is nothing behind it.
    assert not [problem for problem in load.problems() if problem.startswith(("4", "5"))]
    assert not [outcome for outcome in load.outcomes[-80:] if outcome.problem]


async def test_members_that_left_meanwhile_are_forgotten(stack: Stack):
    balancer = stack.balance(lease="3s")
    stack.serve("plain:app")
    leaver = stack.serve("plain:app")
    balancer.stop()
    leaver.kill()
    stack.balance(lease="3s")
    async with Load(stack.port, stack.trust, rate=50) as load:
        await asyncio.to_thread(until, lambda: len(stack.up()) == 1, 15, "single member")
        await load.reaches(len(load.outcomes) + 50)
    assert not load.problems()


async def test_a_request_in_flight_ends_before_the_balancer_does(stack: Stack):
    balancer = stack.balance()
    stack.serve("plain:app")
    with stack.client() as client:
        slow = asyncio.create_task(asyncio.to_thread(client.post, "/echo?seconds=1.5", content=b"kept"))
        await asyncio.to_thread(until, lambda: stack.up()[0]["in_flight"] == 1, 5, "request in flight")
        assert await asyncio.to_thread(balancer.stop) == 0
        answer = await slow
    assert (answer.status_code, answer.content) == (200, b"kept")
