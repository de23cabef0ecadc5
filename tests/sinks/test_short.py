"""A batch of which a disk lost some payloads after it was sealed never takes the place of the whole."""

import pytest

from headrace.sinks import Batch, Held, Runs
from headrace.sinks.encoding import FORMATS
from headrace.sinks.target import sink_for

from .samples import HOUR, batch, run
from .store_server import environment, scripted_store

SHORT = Batch("node", "", HOUR, Runs((run(0, 2), run(9, 1)), missing=7))
LINES = FORMATS["ndjson.gz"].decode


@pytest.fixture
def store(monkeypatch):
    with scripted_store() as scripted:
        for name, value in environment(scripted.url).items():
            monkeypatch.setenv(name, value)
        yield scripted


async def test_in_a_folder_the_whole_stays(tmp_path):
    sink = sink_for(str(tmp_path))
    whole = await sink.put(batch(0, 10))
    assert (await sink.put(SHORT)).where == whole.where
    (path,) = tmp_path.rglob("*.gz")
    assert LINES(path.read_bytes()) == batch(0, 10).lines


async def test_what_is_left_lands_where_nothing_is(tmp_path):
    sink = sink_for(str(tmp_path))
    await sink.put(SHORT)
    await sink.put(SHORT)
    (path,) = tmp_path.rglob("*.gz")
    assert LINES(path.read_bytes()) == SHORT.lines


async def test_a_store_without_conditions_is_asked_before_anything_is_overwritten(store):
    sink = sink_for("s3://bucket")
    store.replies = [(501, "NotImplemented")]
    await sink.put(SHORT)
    assert [LINES(body) for _, _, body in store.puts[1:]] == [SHORT.lines]
    store.contents = FORMATS["ndjson.gz"].encode(batch(0, 10))
    await sink.put(SHORT)
    assert len(store.puts) == 2


@pytest.mark.parametrize("contents", [b"not even gzip", FORMATS["ndjson.gz"].encode(batch(5, 10))])
async def test_what_is_somebody_elses_is_left_alone(store, contents):
    store.contents = contents
    with pytest.raises(Held, match="exists with other contents"):
        await sink_for("s3://bucket").put(SHORT)
    assert store.puts == []
