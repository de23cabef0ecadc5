"""App servers that close idle connections early: no request rides one that is just closing.

uvicorn stands for the many servers whose idle limit is short (its own is 5 s, Gunicorn's 2 s); here it is 1 s.
It joins the way any program can: one call to `/register`.
"""

import asyncio
import random
import sys

import pytest

from tests.processes import free_port

from .load import Connection
from .stack import Stack

BURSTS = 8
CLIENTS = 20


@pytest.fixture
def port(stack: Stack) -> int:
    """A balancer's port, behind it two plain uvicorns that nobody renews a lease for."""
    stack.balance("--plain", lease="60s", probe_path="/")
    for _ in range(2):
        port = free_port()
        limit = ("--timeout-keep-alive", "1", "--log-level", "warning", "--no-access-log")
        stack.start("uvicorn", sys.executable, "-m", "uvicorn", "plain:app", "--port", str(port), *limit)
        stack.admin.post(f"/register?port={port}&scheme=http").raise_for_status()
    stack.wait_until_up(2)
    return stack.port


async def ask(port: int, method: str) -> str:
    """One request that lasts long enough for its burst to need a connection each; what went wrong."""
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
    body = b"posted once" if method == "POST" else b""
    path = "/echo?seconds=0.05" if body else "/?seconds=0.05"
    try:
        status, answer = await connection.ask(method, path, body)
    except (OSError, EOFError) as error:
        return f"{method}: {error!r}"
    finally:
        await connection.close()
    return "" if status == 200 and (not body or answer == body) else f"{method}: {status} {answer!r}"


async def test_requests_a_second_apart_never_meet_a_closing_connection(port: int):
    problems: list[str] = []
    for burst in range(BURSTS):
        methods = ("GET", "POST") if burst % 2 else ("POST", "GET")
        problems += await asyncio.gather(*(ask(port, methods[number % 2]) for number in range(CLIENTS)))
        await asyncio.sleep(random.uniform(0.93, 1.03))  # the servers close at 1 s: at the edge is where it hurts
    assert not [problem for problem in problems if problem]


async def test_a_short_limit_set_for_our_own_app_servers_is_safe_too(stack: Stack):
    stack.balance("--plain")
    stack.serve("plain:app", workers=2, env={"HEADRACE_APP_KEEP_ALIVE": "1s"})
    problems: list[str] = []
    for _ in range(BURSTS // 2):
        problems += await asyncio.gather(*(ask(stack.port, method) for method in ("GET", "POST") * (CLIENTS // 2)))
        await asyncio.sleep(random.uniform(0.93, 1.03))
    assert not [problem for problem in problems if problem]
