"""Flights: who joins which, and how they end."""

import asyncio
import threading

import pytest

from headrace.cache.flight import Abandoned, Failed, Flights, Landed


@pytest.fixture
def flights():
    return Flights()


def test_the_first_one_flies_and_the_others_join(flights):
    flight, first = flights.join("a")
    assert first
    assert flights.join("a") == (flight, False)
    assert flights.join("b")[1]


def test_a_flight_that_ended_is_joined_by_nobody(flights):
    flight, _ = flights.join("a")
    flights.end(flight, Landed(1))
    assert flights.join("a")[1]
    assert flight.wait(0) == Landed(1)


def test_a_flight_that_was_closed_ends_for_those_who_wait_alone(flights):
    flight, _ = flights.join("a")
    flights.close("a")
    younger, first = flights.join("a")
    assert first
    flights.end(flight, Landed(1))
    assert flights.join("a") == (younger, False)


def test_only_the_first_end_counts(flights):
    flight, _ = flights.join("a")
    flights.end(flight, Landed(1))
    flights.end(flight, Landed(2))
    assert flight.wait(0) == Landed(1)


def test_an_error_is_for_all_and_a_cancellation_for_nobody_else(flights):
    flight, _ = flights.join("a")
    with pytest.raises(ValueError, match="wrong"), flights.leading(flight):
        raise ValueError("wrong")
    failed = flight.wait(0)
    assert isinstance(failed, Failed)
    assert str(failed.again()) == "wrong"
    flight, _ = flights.join("a")
    with pytest.raises(KeyboardInterrupt), flights.leading(flight):
        raise KeyboardInterrupt
    assert isinstance(flight.wait(0), Abandoned)


def test_the_traceback_of_an_error_does_not_grow_with_those_who_wait(flights):
    flight, _ = flights.join("a")
    with pytest.raises(ValueError), flights.leading(flight):  # noqa: PT011 - any
        raise ValueError
    lengths = []
    for _ in range(3):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - any
            raise flight.wait(0).again()
        lengths.append(len(caught.traceback))
    assert len(set(lengths)) == 1


async def test_tasks_and_threads_wait_for_one_flight(flights):
    flight, _ = flights.join("a")
    seen = []
    thread = threading.Thread(target=lambda: seen.append(flight.wait(20)))
    thread.start()
    task = asyncio.create_task(flight.wait_async(20))
    await asyncio.sleep(0)
    await asyncio.to_thread(flights.end, flight, Landed("value"))
    assert await task == Landed("value")
    await asyncio.to_thread(thread.join)
    assert seen == [Landed("value")]


async def test_waiting_has_a_bound(flights):
    flight, _ = flights.join("a")
    assert await flight.wait_async(0.01) is None
    assert flight.wait(0.01) is None


def test_one_who_waited_in_a_loop_that_is_closed_is_nobodys_trouble(flights):
    flight, _ = flights.join("a")
    asyncio.run(flight.wait_async(0.01))
    flights.end(flight, Landed(1))
    assert flight.wait(0) == Landed(1)
