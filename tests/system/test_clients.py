"""Every client of the field is served, over each protocol it speaks, and nothing fails."""

import json
import re
import subprocess
import time

import httpx
import pytest
import websockets

from .stack import APPS, Stack


@pytest.fixture(scope="module")
def stack(shared: Stack) -> Stack:
    shared.balance()
    shared.serve("plain:app", workers=2)
    return shared


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("flag", "versions"), [("--http1.0", ("1.0", "1.1")), ("--http1.1", "1.1"), ("--http2", "2")])
def test_curl_is_served_over_each_protocol(stack, tool, flag, versions):
    curl = (tool("curl"), "--silent", "--show-error", "--fail", "--cacert", str(stack.ca), flag)
    assert "pid" in json.loads(output(*curl, stack.url))
    assert output(*curl, "--output", "/dev/null", "--write-out", "%{http_version}", stack.url) in versions


def test_curl_gets_back_what_it_posts(stack, tool):
    posted = (APPS / "plain.py").read_text()
    curl = (tool("curl"), "--silent", "--cacert", str(stack.ca), "--data-binary", f"@{APPS / 'plain.py'}")
    for flags in (["--http1.1"], ["--http2"], ["--http1.1", "--header", "Transfer-Encoding: chunked"]):
        assert output(*curl, *flags, f"{stack.url}/echo") == posted


def test_nghttp_is_served_in_parallel(stack, tool):
    printed = output(tool("nghttp"), "--null-out", "--stat", "--multiply=20", stack.url)
    assert len(re.findall(r"\b200\b", printed)) == 20


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "count"), [((), 60_000), (("--h1",), 40_000)], ids=["http2", "http1.1"])
def test_h2load_loses_nothing(stack, tool, flags, count):
    shape = ("-n", str(count), "-c", "16", "-m", "8", *flags)
    printed = output(tool("h2load"), *shape, stack.url)
    assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in printed, printed
    assert f"status codes: {count} 2xx" in printed, printed


@pytest.mark.slow
def test_wrk_loses_nothing_in_100_000_requests(stack, tool):
    served = 0
    while served < 100_000:
        printed = output(tool("wrk"), "--threads", "1", "--connections", "32", "--duration", "8", stack.url)
        assert "Non-2xx" not in printed, printed
        assert "Socket errors" not in printed, printed
        served += int(re.search(r"(\d+) requests in", printed)[1])


@pytest.mark.parametrize("http2", [False, True], ids=["http1.1", "http2"])
async def test_httpx_reaches_both_workers(stack, http2):
    async with httpx.AsyncClient(base_url=stack.url, verify=stack.trust, http2=http2, trust_env=False) as client:
        answers = [await client.get("/") for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.http_version for answer in answers} == {"HTTP/2" if http2 else "HTTP/1.1"}
        assert len({answer.json()["pid"] for answer in answers}) == 2
        assert (await client.post("/echo", content=b"x" * 1_000_000)).content == b"x" * 1_000_000


async def test_events_arrive_while_the_response_goes_on(stack):
    async with (
        httpx.AsyncClient(base_url=stack.url, verify=stack.trust, http2=True, trust_env=False) as client,
        client.stream("GET", "/events?count=5") as response,
    ):
        parts = [(time.monotonic(), part) async for part in response.aiter_raw()]
    assert b"".join(part for _, part in parts) == b"".join(b"data: %d\n\n" % number for number in range(5))
    first, last = parts[0][0], parts[-1][0]
    assert last - first > 0.5  # the app takes 0.8 s from the first to the last


async def test_websockets_talk_through(stack):
    address = stack.url.replace("https", "wss")
    async with websockets.connect(f"{address}/talk", ssl=stack.trust, proxy=None) as socket:
        for message in ("one", "two", "x" * 100_000):
            await socket.send(message)
            assert await socket.recv() == message
