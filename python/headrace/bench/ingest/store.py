"""The object store of a run, beside the load: it takes what is put and forgets it (see `peers/go/store`)."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headrace.bench.ingest.golang import compiled
from headrace.bench.process import running
from headrace.bench.rig import Rig
from headrace.bench.wait import ask, free_port, until_answered
from headrace.errors import OperationError

BUCKET = "bench"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True)
class Store:
    """A running store."""

    url: str

    @property
    def environ(self) -> Mapping[str, str]:
        """What its clients need."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def objects(self) -> int:
        """How many it was given. Raises `OperationError` when it doesn't answer."""
        status, told = ask(self.url)
        if status != 200:
            raise OperationError(f"the store on {self.url} does not answer: {status}")
        return int(told.split()[0])


@contextlib.contextmanager
def store(rig: Rig, *, delay: float = 0.0, most: int = 1000) -> Iterator[Store]:
    """Starts it; each upload takes `delay` seconds at least, `most` of them go on at once."""
    address = f"127.0.0.1:{free_port()}"
    command = (compiled("store"), "-listen", address, "-delay", f"{delay}s", "-most", str(most))
    with running("store", command, rig.setting.folder, rig.generator.core) as process:
        until_answered(f"http://{address}/", process)
        yield Store(f"http://{address}")
