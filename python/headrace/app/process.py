"""A worker process, seen from its parent."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator

from headrace.app.channel import News, Orders
from headrace.app.place import Place
from headrace.app.plan import Plan


class WorkerProcess:
    """Made by `start`; tells its `news` until it ends.

    Example:
        worker = await WorkerProcess.start(plan, 0, place, bound_socket)
        async for news in worker.news(): ...
        code = await worker.ended()
    """

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._end: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls, plan: Plan, index: int, place: Place, listener: socket.socket) -> "WorkerProcess":
        """Starts worker `index` on `listener`, which is its own from then on."""
        ours, theirs = socket.socketpair()
        with theirs, listener:
            reader, writer = await asyncio.open_connection(sock=ours)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "headrace.app.worker", plan.app, place.address, str(theirs.fileno())),
                pass_fds=(theirs.fileno(), listener.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                env=os.environ | {"HEADRACE_SERVER_ADDRESS": place.address, "HEADRACE_WORKER": str(index)},
            )
            writer.write(Orders(plan, index, place, listener.fileno()).as_line())
        return cls(process, reader, writer)

    async def news(self) -> AsyncIterator[News]:
        """What it tells, until it has nothing more to say."""
        while line := await self._line():
            yield News.from_line(line)

    async def ended(self) -> int:
        """Waits for its end; the exit code, the negative signal number when one killed it."""
        code = await self._process.wait()
        if self._end is not None:
            self._end.cancel()
        self._writer.close()
        return code

    def terminate(self, patience: float) -> None:
        """Asks it to finish what it has and end; kills it after `patience` seconds."""
        self._signal(signal.SIGTERM)
        if self._end is None and self._process.returncode is None:
            self._end = asyncio.get_running_loop().call_later(patience, self.kill)

    def kill(self) -> None:
        """Ends it."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""


def how_it_ended(code: int) -> str:
    """For people: `"ended with exit code 1"`, `"was killed by SIGKILL"`."""
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by {signal.Signals(-code).name}"
