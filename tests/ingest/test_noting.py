"""Dead letters that land are in the manifest."""

from headrace.ingest.manifest import Manifest
from headrace.ingest.noting import NotingSink
from headrace.sinks import Batch, Run, Runs
from headrace.sinks.memory import MemorySink


def batch(first: int, last: int) -> Batch:
    numbers = range(first, last + 1)
    return Batch("n", "", 490_000, Runs((Run(numbers, b"1\n" * len(numbers)),)))


async def test_what_lands_is_noted_once(tmp_path):
    manifest = Manifest(tmp_path / "manifest.sqlite")
    sink = NotingSink(MemorySink(), manifest)
    await sink.put(batch(1, 9))
    await sink.put(batch(1, 1))
    (landed,) = manifest.where(1)
    assert (landed.last, landed.place) == (9, "memory://n-1-9")
    manifest.close()
