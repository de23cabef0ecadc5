"""A service that lives several lives in one folder, posted to all the time, and judged at the end."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.processes import free_port

from ..service_process import Ingest, ingest  # noqa: TID252
from .clients import Crowd, crowd
from .ledger import Ledger, Verdict
from .shelf import dead_letters, in_folder, landed

# Small batches and small segments: what happens once a minute elsewhere happens all the time.
SMALL = {
    "HEADRACE_INGEST_BATCH_COUNT": "7",
    "HEADRACE_INGEST_JOURNAL_BYTES": "4 MiB",
    "HEADRACE_INGEST_RESERVE": "1 KiB",
    "HEADRACE_INGEST_NODE": "one",
}


class Scenario:
    """Example: `with scenario.life() as service: ...`, as often as wanted, then `scenario.verdict()`."""

    def __init__(self, folder: Path, *, to: str = "./landed", environ: Mapping[str, str] = {}, seed: int = 0) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.to = to
        self.environ = {**SMALL, **environ}
        self.ledger = Ledger(seed)
        # Clients post before the service is there: a port that the kernel gives to others would have them answered.
        self.address = f"127.0.0.1:{free_port()}"

    @contextlib.contextmanager
    def life(self, *flags: str, environ: Mapping[str, str] = {}) -> Iterator[Ingest]:
        """The service from its start to its end, at the same address each time."""
        told = ("--address", self.address, *flags)
        with ingest(self.folder, *told, environ={**self.environ, **environ}, to=self.to) as service:
            yield service

    @contextlib.contextmanager
    def posted(self) -> Iterator[Crowd]:
        """Clients, through all lives within the block."""
        with crowd(self.address, self.ledger) as clients:
            yield clients

    def settle(self) -> None:
        """One more life: the service accepts again, lands all that waits, and stops as it should."""
        with self.life() as service:
            with self.posted() as clients:
                clients.more(3)
            service.until_landed()
            assert service.stop() == 0

    def verdict(self, objects: Mapping[str, bytes] | None = None) -> Verdict:
        """On what is in the folder of what landed, or in `objects`, and with the dead letters."""
        there = in_folder(self.folder / "landed") if objects is None else objects
        return self.ledger.judge([*landed(there), *dead_letters(self.state)])


def kill(service: Ingest) -> None:
    """Ends it as a power switch would, but for what the kernel still holds."""
    service.process.kill()
    service.process.wait()
