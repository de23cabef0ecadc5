import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from headrace.sinks import Batch, Rejected, Run, Runs, Transient
from headrace.sinks.batch import EACH
from headrace.sinks.keys import payload_keys
from headrace.sinks.uploads import SingleUploads, at_once


def batch(count):
    lines = b"".join(b'{"n":%d}\n' % number for number in range(1, count + 1))
    return replace(Batch("node", "", 491_000, Runs((Run(range(1, count + 1), lines),))), form=EACH)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as pool:
        yield pool


async def test_each_payload_is_uploaded_once_under_its_own_key(threads):
    taken = {}
    uploads = SingleUploads(batch(100), lambda key, body: taken.setdefault(key, []).append(body))
    await uploads.run(threads, 8)
    assert taken == {payload_keys(batch(100))(n): [b'{"n":%d}' % n] for n in range(1, 101)}
    assert sorted(uploads.landed) == sorted(taken)


async def test_so_many_go_on_at_once_and_no_more(threads):
    together = threading.Barrier(4, timeout=10)
    now, most, lock = 0, 0, threading.Lock()

    def create(_key, _body):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait()
        with lock:
            now -= 1

    await SingleUploads(batch(40), create).run(threads, 4)
    assert most == 4


async def test_a_refused_payload_keeps_no_other_from_landing(threads):
    def create(_key, body):
        if body == b'{"n":7}':
            raise Rejected("too odd")

    uploads = SingleUploads(batch(20), create)
    await uploads.run(threads, 4)
    assert uploads.refused == {7: "too odd"}
    assert len(uploads.landed) == 19


async def test_an_error_of_the_store_ends_all_before_it_is_raised(threads):
    under_way, calls = threading.Semaphore(0), []

    def create(_key, body):
        calls.append(body)
        if body == b'{"n":1}':
            under_way.acquire(timeout=10)
            raise Transient("away")
        under_way.release()

    uploads = SingleUploads(batch(10_000), create)
    with pytest.raises(Transient):
        await uploads.run(threads, 2)
    count = len(calls)
    await asyncio.wrap_future(threads.submit(lambda: None))
    assert count == len(calls) < 10_000


@pytest.mark.parametrize(
    ("took", "count"), [(0.0, 4), (0.0005, 4), (0.002, 4), (0.005, 10), (0.02, 40), (0.05, 64), (10.0, 64)]
)
def test_far_stores_get_more_uploads_at_once_than_near_ones(took, count):
    assert at_once(took, 64) == count
    assert at_once(took, 2) == 2


async def test_it_is_known_how_long_an_upload_takes(threads):
    uploads = SingleUploads(batch(20), lambda _key, _body: time.sleep(0.005))
    await uploads.run(threads, 4)
    assert uploads.took >= 0.005
