"""Whatever happens in the middle of it, each payload lands once: a crash before and after every single step."""

import asyncio
import gzip
import json
import random
from pathlib import Path

import pytest

from headrace.ingest.batches import Limits
from headrace.ingest.landing import Plan
from headrace.ingest.manifest import Manifest
from headrace.sinks import Rejected
from headrace.sinks.target import sink_for

from .fake_journal import Crash, Disk, FakeJournal, Fuse
from .landing_stage import stage
from .waiting import until

COUNT = 40
LIMITS = Limits(count=10, age=0.0)


class FusedSink:
    """Objects in a folder; refuses what starts with 33."""

    def __init__(self, folder: Path, fuse: Fuse) -> None:
        self._sink = sink_for(str(folder))
        self._fuse = fuse

    async def put(self, batch):
        if batch.first == 33:
            raise Rejected("not this one")
        ends = self._fuse.before()
        receipt = await self._sink.put(batch)
        self._fuse.after(ends)
        return receipt

    async def close(self):
        await self._sink.close()


def filled() -> Disk:
    journal = FakeJournal()
    for number in range(1, COUNT + 1):
        journal.append(b'{"id":%d}' % number, stream=number // 11 % 2)
    return journal.disk


async def life(disk: Disk, folder: Path, fuse: Fuse, monkeypatch) -> None:
    """One process, until it is done or the fuse burns."""
    journal = FakeJournal(disk, fuse)
    add = Manifest.add

    def fused_add(manifest, landed):
        ends = fuse.before()
        add(manifest, landed)
        fuse.after(ends)

    monkeypatch.setattr(Manifest, "add", fused_add)
    try:
        async with stage(journal, FusedSink(folder / "landed", fuse), folder, Plan("node", limits=LIMITS, workers=2)):
            await until(lambda: journal.empty or fuse.blown)
    except (Crash, asyncio.CancelledError):
        assert fuse.blown
    finally:
        monkeypatch.undo()


def landed(folder: Path) -> list[int]:
    """The ids in all objects and dead letters, repeated ones too."""
    objects = [gzip.decompress(path.read_bytes()) for path in (folder / "landed").rglob("*.gz")]
    dead = [path.read_bytes().partition(b"\n")[2] for path in (folder / "dead").glob("*")]
    return sorted(json.loads(line)["id"] for data in objects + dead for line in data.splitlines())


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_after_a_crash_at_any_step(late, tmp_path, monkeypatch):
    at, blown = 0, True
    while blown:
        at += 1
        folder = tmp_path / str(at)
        disk, fuse = filled(), Fuse(at, late=late)
        await life(disk, folder, fuse, monkeypatch)
        blown = fuse.blown
        await life(disk, folder, Fuse(), monkeypatch)
        assert landed(folder) == list(range(1, COUNT + 1)), f"crash at call {at}"
    assert at > 20


@pytest.mark.parametrize("seed", range(5))
async def test_after_many_crashes(seed, tmp_path, monkeypatch):
    chance = random.Random(seed)
    disk = filled()
    for _ in range(15):
        await life(disk, tmp_path, Fuse(chance.randint(1, 12), late=chance.random() < 0.5), monkeypatch)
    await life(disk, tmp_path, Fuse(), monkeypatch)
    assert landed(tmp_path) == list(range(1, COUNT + 1))
