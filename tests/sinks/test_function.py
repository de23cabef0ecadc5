"""Batches for a function of the user's."""

import pytest

from headrace.sinks import Held, Rejected, Transient
from headrace.sinks.function import ATTEMPTS, SUSPECT, FunctionSink

from .samples import batch


def sink_of(function) -> FunctionSink:
    return FunctionSink(function, "shop:take", pause=0.0)


def refusing(*identities: int):
    """A function that fails whenever one of these payloads is among those it gets, and what it took otherwise."""
    taken = []

    def take(payloads):
        ids = [payload.json()["id"] for payload in payloads]
        if set(ids) & set(identities):
            raise ValueError("bad payload")
        taken.extend(ids)

    return take, taken


async def test_payloads_come_with_an_id_their_stream_and_their_bytes():
    seen = []
    await sink_of(seen.extend).put(batch(7, 2, stream="orders"))
    assert [(payload.id, payload.stream, payload.body) for payload in seen] == [
        ("node-7", "orders", b'{"id":7,"host":"web-1"}'),
        ("node-8", "orders", b'{"id":8,"host":"web-2"}'),
    ]


@pytest.mark.parametrize("poison", [(0,), (49,), (10, 11), (3, 17, 42)])
async def test_payloads_it_cannot_take_are_found_and_the_others_land(poison):
    take, taken = refusing(*poison)
    with pytest.raises(Rejected, match="shop:take raised ValueError: bad payload") as raised:
        await sink_of(take).put(batch(0, 50))
    assert raised.value.numbers == set(poison)
    assert sorted(set(taken)) == [number for number in range(50) if number not in poison]


async def test_a_failure_that_passes_sets_nothing_aside():
    calls = []

    def take(payloads):
        calls.append(len(payloads))
        if len(calls) < ATTEMPTS:
            raise ValueError("not yet")

    await sink_of(take).put(batch(0, 10))
    assert calls == [10] * ATTEMPTS


@pytest.mark.parametrize("error", [Transient("later"), ConnectionError("away"), TimeoutError()])
async def test_what_may_pass_is_transient_however_often_it_happens(error):
    calls = []

    def take(payloads):
        calls.append(len(payloads))
        raise error

    with pytest.raises(Transient):
        await sink_of(take).put(batch(0, 10))
    assert calls == [10]


async def test_a_function_that_fails_whatever_it_gets_is_held():
    calls = []

    def take(payloads):
        calls.append(payloads)
        raise NameError("name 'databse' is not defined")

    with pytest.raises(Held, match="name 'databse' is not defined, whatever it is given"):
        await sink_of(take).put(batch(0, 10_000))
    assert len(calls) < 15 + SUSPECT * (ATTEMPTS + 2)


async def test_a_few_payloads_that_all_fail_are_set_aside():
    take, _ = refusing(0, 1, 2)
    with pytest.raises(Rejected) as raised:
        await sink_of(take).put(batch(0, 3))
    assert raised.value.numbers == {0, 1, 2}


async def test_an_object_with_an_async_call_is_awaited():
    class Store:
        def __init__(self):
            self.seen = 0

        async def __call__(self, payloads):
            self.seen += len(payloads)

    store = Store()
    await sink_of(store).put(batch(0, 4))
    assert store.seen == 4
