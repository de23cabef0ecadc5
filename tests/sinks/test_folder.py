"""A local folder as a store."""

import pytest

from headrace.sinks import Held, durable
from headrace.sinks.target import sink_for

from .samples import batch


async def test_a_new_folder_is_made(tmp_path):
    await sink_for(str(tmp_path / "a" / "b")).put(batch())
    assert [path.name for path in (tmp_path / "a" / "b").rglob("*.gz")] == [
        "node-0000000000000000-0000000000000002.ndjson.gz"
    ]


async def test_it_has_landed_once_the_file_and_its_folders_are_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(durable, "_sync", lambda path, _flags: synced.append(path))
    await sink_for(str(tmp_path)).put(batch())
    day = tmp_path / "dt=2025-11-24"
    assert {tmp_path, day, day / "hour=16"} < set(synced)
    assert synced[0].suffix == ".gz"


async def test_a_folder_that_is_in_the_way_is_held(tmp_path):
    sink = sink_for(str(tmp_path))
    (tmp_path / "dt=2025-11-24").write_text("a file")
    with pytest.raises(Held, match="goes on by itself"):
        await sink.put(batch())
    (tmp_path / "dt=2025-11-24").unlink()
    await sink.put(batch())


async def test_a_namesakes_file_is_left_alone(tmp_path):
    sink = sink_for(str(tmp_path))
    receipt = await sink.put(batch())
    path = tmp_path / receipt.where.removeprefix(tmp_path.as_uri() + "/")
    path.write_bytes(b"other")
    with pytest.raises(Held, match="exists with other contents"):
        await sink.put(batch())
    assert path.read_bytes() == b"other"


@pytest.mark.parametrize("form", ["ndjson.gz", "each"])
@pytest.mark.parametrize("linked", [False, True])
async def test_drafts_that_a_crash_left_go_when_the_batch_lands_again(tmp_path, form, linked):
    sink = sink_for(str(tmp_path))
    await sink.put(batch(form=form))
    landed = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    for number in (1, 2):
        landed[0].with_name(f"{landed[0].name}#{number}").write_bytes(b"a part")
    if not linked:
        landed[0].unlink()
    await sink.put(batch(form=form))
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == landed
