"""`headrace balance` as its own process."""

import asyncio
import json
import signal
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.processes import HEADRACE
from tests.processes import environment as inherited

TOKEN = "a-token-for-tests"
QUICK = {"HEADRACE_BALANCER_PROBE_INTERVAL": "100ms", "HEADRACE_BALANCER_PROBE_TIMEOUT": "1s"}


class Balance:
    """A running balancer: its two URLs, a client for each, and its process."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, str], state: Path) -> None:
        self.process = process
        self.url = ready["url"]
        self.admin_url = ready["admin"]
        self.state = state
        self.log: list[str] = []
        self.verify = ssl.create_default_context(cafile=str(state / "certs" / "ca.pem"))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.admin = httpx.AsyncClient(base_url=self.admin_url, verify=self.verify, headers=headers, timeout=30)
        self.public = httpx.AsyncClient(base_url=self.url, verify=self.verify, timeout=30)

    @property
    def address(self) -> str:
        return self.url.split("//")[1]

    @property
    def admin_address(self) -> str:
        return self.admin_url.split("//")[1]

    async def register(self, server, **said) -> str:
        """Register a server and wait until it is up; its id."""
        record = await self.say("register", server, **said)
        await self.until(record["id"], "up")
        return record["id"]

    async def say(self, call: str, server, **said) -> dict:
        reply = await self.admin.post(f"/{call}", params={"port": server.port, **said})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def server(self, member: str) -> dict:
        return (await self.admin.get(f"/servers/{member}")).json()

    async def until(self, member: str, state: str, within: float = 30.0) -> dict:
        """Wait until a server is in a state; its record."""
        deadline = asyncio.get_running_loop().time() + within
        while (record := await self.server(member))["state"] != state:
            assert asyncio.get_running_loop().time() < deadline, record
            await asyncio.sleep(0.02)
        return record

    async def told(self, words: str, within: float = 30.0) -> None:
        """Wait until its log has these words."""
        deadline = asyncio.get_running_loop().time() + within
        while not any(words in line for line in self.log):
            assert asyncio.get_running_loop().time() < deadline, self.log
            await asyncio.sleep(0.02)

    async def end(self, number: int = signal.SIGTERM, within: float = 30.0) -> int:
        """Send a signal and wait for the end; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), within)


def environment(state: Path, environ: dict[str, str]) -> dict[str, str]:
    return inherited({"HEADRACE_HOME": str(state), "HEADRACE_BALANCER_TOKEN": TOKEN} | environ)


@asynccontextmanager
async def balance(state: Path, *flags: str, environ: dict[str, str] | None = None):
    """Start a balancer on free ports, and end it."""
    given = " ".join(flags)
    ports = [flag for name in ("--address", "--admin") if name not in given for flag in (name, "127.0.0.1:0")]
    process = await asyncio.create_subprocess_exec(
        *(*HEADRACE, "balance", "--json", *ports, *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(state, QUICK | (environ or {})),
        cwd=state.parent,
    )
    running = None
    log: list[str] = []
    reading = asyncio.create_task(_read(process.stderr, log))
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        assert line, log
        running = Balance(process, json.loads(line), state)
        running.log = log
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
        if running:
            await running.admin.aclose()
            await running.public.aclose()
        process._transport.close()


async def _read(stream: asyncio.StreamReader, log: list[str]) -> None:
    while line := await stream.readline():
        log.append(line.decode().rstrip())
