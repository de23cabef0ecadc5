import json
import socket
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from headrace.bench.ingest.bodies import collections
from headrace.bench.ingest.collector import acceptor, floor, go
from headrace.bench.ingest.store import BUCKET, store
from headrace.bench.tools import GO
from headrace.bench.wait import ask
from tests.processes import until

COLLECTION = next(collections(1)).encode()


def status(url, body=None, method="POST"):
    try:
        with urlopen(Request(url, body, method=method), timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_the_acceptor_keeps_what_it_takes_and_tells_its_syncs(rig):
    with acceptor(rig) as collector:
        for _ in range(3):
            with urlopen(collector.url, COLLECTION, timeout=10) as answer:
                told = json.loads(answer.read())
        assert (told["accepted"], told["last"], told["ack"]) == (3, 9, "disk")
        assert status(collector.url, b"nonsense") == 400
        used = collector.process.end(10.0)
        assert used.total > 0
        assert collector.process.said() == "syncs 3"


@pytest.mark.parametrize("shape", ["pool", "lean", "goroutines", "one"])
def test_each_shape_in_go_uploads_each_payload_once(rig, need, shape):
    need(GO)
    with (
        store(rig) as target,
        go(rig, shape, workers=2, queue=4, to=f"{target.url}/{BUCKET}", environ=target.environ) as collector,
    ):
        for _ in range(5):
            assert status(collector.url, COLLECTION) == 200
        until(lambda: target.objects() >= 15)
        assert target.objects() == 15
        assert collector.process.said() == "without a word"


def test_the_pool_in_go_uploads_payloads_as_it_decoded_them(rig, need):
    need(GO)
    with (
        store(rig) as target,
        go(rig, to=f"{target.url}/{BUCKET}", environ=target.environ) as collector,
    ):
        assert status(collector.url, COLLECTION) == 200
        until(lambda: target.objects() >= 3)
        payloads = json.loads(COLLECTION)["data"]
        written = [json.dumps(each, separators=(",", ":")) + "\n" for each in payloads]
        assert ask(target.url)[1].split() == [b"3", str(len("".join(written))).encode()]


@pytest.mark.parametrize("shape", ["pool", "lean"])
def test_the_service_in_go_refuses_what_is_no_collection(rig, need, shape):
    need(GO)
    with go(rig, shape) as collector:
        assert status(collector.url, b"nonsense") == 400
        assert status(collector.url, method="GET") == 405


def test_the_floor_answers_the_same_to_whatever_is_whole(rig, need):
    need(GO)
    with floor(rig) as collector:
        address = collector.url.removeprefix("http://").rstrip("/").split(":")
        with socket.create_connection(address, timeout=10) as client, client.makefile("rb") as answers:
            # In pieces, and in one: each is answered once.
            request = b"POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\nnonsense"
            for piece in (request[:20], request[20:45], request[45:], request):
                client.sendall(piece)
                if piece.endswith(b"nonsense"):
                    assert read_answer(answers) == 3


def read_answer(answers):
    """How many payloads the next answer says were accepted."""
    length = 0
    for line in iter(answers.readline, b"\r\n"):
        if line.startswith(b"Content-Length: "):
            length = int(line.split()[1])
    return json.loads(answers.read(length))["accepted"]


def test_an_upload_takes_as_long_as_the_store_is_told(rig, need):
    need(GO)
    with store(rig, delay=0.2, most=1) as target:
        began = time.monotonic()
        for _ in range(2):
            assert status(f"{target.url}/{BUCKET}/key", b"content", "PUT") == 200
        assert time.monotonic() - began >= 0.4
        assert target.objects() == 2
