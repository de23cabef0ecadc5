"""SQL over what has landed."""

import pytest

from headrace.errors import OperationError, UsageError
from headrace.ingest.query import query
from headrace.sinks import Batch, Run, Runs
from headrace.sinks.target import sink_for

HOSTS = b'{"host":"a","load":1}\n{"host":"b","load":2}\n{"host":"a","load":4,"more":{"x":1}}\n'
BY_HOST = "select host, count(*), sum(load) from payloads group by 1 order by 1"


def batch(*, first: int = 1, stream: str = "", hour: int = 490_000, form: str = "ndjson.gz") -> Batch:
    return Batch("node", stream, hour, Runs((Run(range(first, first + 3), HOSTS),)), form)


@pytest.mark.parametrize("form", ["ndjson.gz", "ndjson.zst", "each"])
async def test_payloads_are_rows(tmp_path, form):
    await sink_for(str(tmp_path)).put(batch(form=form))
    result = query(tmp_path.as_uri(), BY_HOST)
    assert result.columns[0] == "host"
    assert result.rows == [("a", 2, 5), ("b", 1, 2)]


async def test_streams_hours_and_formats_are_read_together(tmp_path):
    sink = sink_for(str(tmp_path))
    await sink.put(batch())
    await sink.put(batch(first=4, stream="orders", hour=490_001))
    await sink.put(batch(first=7, form="ndjson.zst"))
    assert query(str(tmp_path), BY_HOST).rows == [("a", 6, 15), ("b", 3, 6)]
    hours = query(str(tmp_path), "select hour::int, count(*) from payloads group by 1 order by 1").rows
    assert hours == [(16, 6), (17, 3)]


async def test_parquet_has_the_payload_as_json(tmp_path):
    await sink_for(str(tmp_path)).put(batch(form="parquet"))
    assert query(str(tmp_path), "select seq, payload->>'host' from payloads order by 1").rows == [
        (1, "a"),
        (2, "b"),
        (3, "a"),
    ]


def test_where_nothing_has_landed_it_says_so(tmp_path):
    with pytest.raises(OperationError, match="nothing has landed below"):
        query(str(tmp_path), "select 1")


async def test_a_mistake_in_the_query_is_told_in_one_line(tmp_path):
    await sink_for(str(tmp_path)).put(batch())
    with pytest.raises(UsageError, match=r"the query failed: .*hosst") as raised:
        query(str(tmp_path), "select hosst from payloads")
    assert "\n" not in str(raised.value)


async def test_payloads_that_are_not_all_objects_are_asked_for_in_one_column(tmp_path):
    lines = b'{"host":"a"}\n"plain"\n{"host":"b"}\n'
    await sink_for(str(tmp_path)).put(Batch("node", "", 490_000, Runs((Run(range(1, 4), lines),))))
    with pytest.raises(UsageError, match=r"whole in one column, so write json->>'host'$"):
        query(str(tmp_path), "select host from payloads")
    assert query(str(tmp_path), "select json->>'host' from payloads").rows == [("a",), (None,), ("b",)]
