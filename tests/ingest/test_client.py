"""The client, over the wire."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from headrace.errors import OperationError, UsageError
from headrace.ingest import AsyncClient, Client, NotIngestedError, OutboxLimits
from tests.processes import until

from .ingest_server import Answer, ingest_server

PATIENT = OutboxLimits(age=3600.0)


@pytest.fixture
def server():
    with ingest_server() as running:
        yield running


def test_what_is_sent_is_stored_in_order_and_in_batches(server):
    with Client(server.url, token="secret", version="7", limits=OutboxLimits(count=100, age=3600.0)) as client:
        for number in range(1000):
            client.send({"id": number})
    assert [payload["id"] for payload in server.payloads] == list(range(1000))
    assert len(server.collections) == 10
    assert {(each["version"], each["token"]) for each in server.collections.values()} == {("7", "secret")}


def test_any_json_is_a_payload(server):
    values = [None, True, 1, 1.5, "é", [], {}, {"a": [1, {"b": None}]}, 10**40]
    with Client(server.url) as client:
        for value in values:
            client.send(value)
    assert server.payloads == values


@pytest.mark.parametrize("value", [b"{}", {1, 2}, float("nan"), object()])
def test_what_is_not_json_is_refused_at_once_and_harms_nothing_else(server, value):
    with Client(server.url) as client:
        client.send(1)
        with pytest.raises((TypeError, ValueError)):
            client.send(value)
    assert server.payloads == [1]


def test_a_batch_leaves_when_it_is_old_enough(server):
    client = Client(server.url, limits=OutboxLimits(age=0.05))
    client.send("a")
    until(lambda: server.payloads)
    assert server.payloads == ["a"]
    client.close()


def test_a_batch_leaves_when_it_has_enough_bytes(server):
    with Client(server.url, limits=OutboxLimits(size=1000, age=3600.0)) as client:
        for _ in range(10):
            client.send("x" * 400)
    assert [len(each["data"]) for each in server.collections.values()] == [2] * 5


def test_a_flush_returns_once_all_is_acknowledged(server):
    with Client(server.url, limits=PATIENT) as client:
        client.send(1)
        client.flush(30.0)
        assert server.payloads == [1]


def test_a_flush_does_not_wait_for_what_is_sent_meanwhile(server):
    with Client(server.url, limits=OutboxLimits(count=100, queue=1000)) as client:
        stop = threading.Event()

        def keep_sending():
            while not stop.is_set():
                client.send("more")

        sender = threading.Thread(target=keep_sending)
        sender.start()
        client.flush(30.0)
        stop.set()
        sender.join()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503, headers={"Retry-After": "0"}),
        Answer(429, headers={"Retry-After": "0"}),
        Answer(507),
        Answer(500),
        Answer(0),
        Answer(0, stored=True),
        Answer(502, stored=True),
    ],
    ids=lambda answer: f"{answer.status}{', but stored' * answer.stored}",
)
def test_what_is_not_acknowledged_is_sent_again_and_stored_once(server, answer):
    server.answers = [answer]
    with Client(server.url) as client:
        client.send({"id": 1})
    assert server.payloads == [{"id": 1}]
    (_, first, body), (_, second, again) = server.requests
    assert first["idempotency-key"] == second["idempotency-key"]
    assert body == again


def test_it_waits_as_long_as_it_is_asked_to(server):
    server.answers = [Answer(503, headers={"Retry-After": "1"})]
    started = time.monotonic()
    with Client(server.url) as client:
        client.send(1)
        client.flush(30.0)
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("status", [400, 401, 404, 415, 422])
def test_a_refusal_says_why_and_gives_the_payloads_back(server, status):
    server.answers = [Answer(status)]
    client = Client(server.url, limits=PATIENT)
    client.send({"id": 1})
    client.send({"id": 2})
    with pytest.raises(NotIngestedError, match=rf"did not take 2 payloads: {status}, because {status}") as raised:
        client.flush()
    assert [json.loads(payload) for payload in raised.value.payloads] == [{"id": 1}, {"id": 2}]
    client.send({"id": 3})
    client.close()
    assert server.payloads == [{"id": 3}]


def test_a_refusal_is_told_by_the_next_send_too(server):
    server.answers = [Answer(401)]
    client = Client(server.url, limits=OutboxLimits(count=1))
    client.send(1)
    until(lambda: server.requests)
    with pytest.raises(NotIngestedError):
        until(lambda: client.send(2))
    client.close()


def test_a_batch_that_is_too_large_goes_in_parts(server):
    server.largest = 2000
    with Client(server.url, compress=None, limits=PATIENT) as client:
        for number in range(100):
            client.send({"id": number, "text": "x" * 100})
    assert [payload["id"] for payload in server.payloads] == list(range(100))


def test_only_a_payload_that_is_too_large_is_given_back(server):
    server.largest = 2000
    client = Client(server.url, compress=None, limits=PATIENT)
    for size in (10, 10, 5000, 10):
        client.send("x" * size)
    with pytest.raises(NotIngestedError, match="did not take 1 payloads: 413") as raised:
        client.close()
    assert [len(payload) for payload in raised.value.payloads] == [5002]
    assert len(server.payloads) == 3


def test_a_full_queue_makes_senders_wait(server):
    server.pause.clear()
    client = Client(server.url, limits=OutboxLimits(count=1, queue=1000))
    client.send("x" * 400)
    until(lambda: server.requests)
    while client.offer("x" * 400):
        pass
    with pytest.raises(OperationError, match=r"no room for a payload within 0\.05 s; is http://.* answering\?"):
        client.send("x" * 400, timeout=0.05)
    server.pause.set()
    client.send("x" * 400)
    client.close()
    assert len(server.payloads) >= 3


def test_a_batch_is_given_up_when_patience_ends():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client = Client(url, patience=0.2)
    client.send(1)
    with pytest.raises(NotIngestedError, match=r"did not take 1 payloads: .*refused"):
        client.close()


def test_a_close_that_may_not_last_gives_the_payloads_back(server):
    server.answers = [Answer(503)] * 1000
    client = Client(server.url, limits=OutboxLimits(count=1))
    for number in range(3):
        client.send(number)
    with pytest.raises(NotIngestedError) as raised:
        client.close(0.3)
    assert raised.value.payloads == [b"0", b"1", b"2"]


def test_a_closed_client_takes_nothing(server):
    client = Client(server.url)
    client.close()
    with pytest.raises(OperationError, match="the client is closed"):
        client.send(1)


def test_an_error_in_the_block_is_the_one_that_is_seen(server):
    server.answers = [Answer(401)]
    client = Client(server.url)
    client.send(1)
    with pytest.raises(ZeroDivisionError), client:
        raise ZeroDivisionError


def test_a_stream_is_a_path(server):
    with Client(server.url, stream="orders") as client:
        client.send(1)
    with Client(f"{server.url}/in/", stream="") as client:
        client.send(1)
    assert [path for path, _, _ in server.requests] == ["/orders", "/in"]


def test_bodies_are_compressed(server):
    with Client(server.url) as client:
        for number in range(500):
            client.send({"id": number})
    (_, headers, body), *_ = server.requests
    assert headers["content-encoding"] == "gzip"
    assert len(body) < 3000


@pytest.mark.parametrize("url", ["127.0.0.1:7000", "ftp://host", "https://", "http://host:port", "nonsense"])
def test_a_url_that_cannot_be_used_is_refused_at_once(url):
    with pytest.raises(UsageError, match=r"like https://127\.0\.0\.1:7000"):
        Client(url)


def test_an_authority_that_cannot_be_read_is_refused_at_once(tmp_path):
    with pytest.raises(UsageError, match="cannot read the authority"):
        Client("https://127.0.0.1:7000", ca=tmp_path / "none.pem")


def test_threads_may_share_a_client(server):
    with Client(server.url, limits=OutboxLimits(count=50)) as client:

        def send(start):
            for number in range(start, start + 200):
                client.send(number)

        threads = [threading.Thread(target=send, args=(start,)) for start in range(0, 1000, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(server.payloads) == list(range(1000))


def test_what_was_sent_is_not_forgotten_when_the_program_ends(server):
    program = f"from headrace.ingest import Client\nClient({server.url!r}).send('last words')"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=os.environ)
    assert "last words" in server.payloads


async def test_the_async_client_does_the_same(server):
    async with AsyncClient(server.url, limits=OutboxLimits(count=10)) as client:
        await asyncio.gather(*(client.send(number) for number in range(100)))
        await client.flush(30.0)
        assert sorted(server.payloads) == list(range(100))


async def test_the_event_loop_goes_on_while_the_queue_is_full(server):
    server.pause.clear()
    async with AsyncClient(server.url, limits=OutboxLimits(count=1, queue=100)) as client:
        sending = [asyncio.create_task(client.send("x" * 60)) for _ in range(20)]
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not all(task.done() for task in sending)
        server.pause.set()
        await asyncio.gather(*sending)
    assert len(server.payloads) == 20


async def test_the_async_client_tells_of_refusals(server):
    server.answers = [Answer(401)]
    with pytest.raises(NotIngestedError):
        async with AsyncClient(server.url) as client:
            await client.send(1)
