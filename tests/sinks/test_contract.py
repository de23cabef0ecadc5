"""What every sink does, whatever is behind it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import obstore
import pytest
from obstore.store import from_url

from headrace.sinks import Batch, Receipt, Run, Runs, Sink
from headrace.sinks.batch import DEFAULT, EACH
from headrace.sinks.encoding import FORMATS
from headrace.sinks.function import FunctionSink
from headrace.sinks.memory import MemorySink
from headrace.sinks.target import sink_for

from .other_stores import AZURE, GOOGLE, Dialect
from .samples import HOUR, batch, run
from .store_server import BUCKET


@dataclass
class Landing:
    """A sink, and what is to be found behind it: the payloads in the order of their numbers, repeated ones too."""

    sink: Sink
    found: Callable[[], list[bytes]]
    form: str = DEFAULT

    async def put(self, *batches: Batch) -> list[Receipt]:
        return [await self.sink.put(replace(each, form=self.form)) for each in batches]


def memory(_request, _tmp_path) -> Landing:
    sink = MemorySink()
    return Landing(sink, lambda: [sink.payloads[number] for number in sorted(sink.payloads)])


def function(_request, _tmp_path) -> Landing:
    taken: dict[str, bytes] = {}

    async def take(payloads):
        taken.update((payload.id, payload.body) for payload in payloads)

    return Landing(FunctionSink(take, "shop:take"), lambda: [taken[key] for key in sorted(taken, key=_number)])


def plain_function(_request, _tmp_path) -> Landing:
    taken: dict[str, bytes] = {}

    def take(payloads):
        taken.update((payload.id, payload.body) for payload in payloads)

    return Landing(FunctionSink(take, "shop:take"), lambda: [taken[key] for key in sorted(taken, key=_number)])


def folder(form=DEFAULT):
    def make(_request, tmp_path) -> Landing:
        url = (tmp_path / "landed").as_uri()
        return Landing(sink_for(url), lambda: stored(url, form), form)

    return make


def s3(form=DEFAULT):
    def make(request, tmp_path) -> Landing:
        request.getfixturevalue("s3")
        url = f"s3://{BUCKET}/{tmp_path.name}"
        return Landing(sink_for(url), lambda: stored(url, form, allow_http=True), form)

    return make


def s3_by_obstore(form):
    def make(request, tmp_path) -> Landing:
        # What the core can't do itself: credentials that expire.
        request.getfixturevalue("monkeypatch").setenv("AWS_SESSION_TOKEN", "token")
        return s3(form)(request, tmp_path)

    return make


def other(dialect: Dialect, form=DEFAULT):
    def make(request, tmp_path) -> Landing:
        blobs = request.getfixturevalue(dialect.scheme)
        folder = f"container/{tmp_path.name}/"

        def found() -> list[bytes]:
            return payloads([data for key, data in blobs.items() if key.startswith(folder)], form)

        return Landing(sink_for(f"{dialect.scheme}://{folder}"), found, form)

    return make


def stored(url: str, form: str, **options: bool) -> list[bytes]:
    """The payloads in all objects below the URL."""
    store = from_url(url, client_options=options) if options else from_url(url)
    keys = [entry["path"] for entries in obstore.list(store) for entry in entries]
    return payloads([bytes(obstore.get(store, key).bytes()) for key in keys], form)


def payloads(contents: list[bytes], form: str) -> list[bytes]:
    """The payloads in some objects, sorted by what they say of themselves."""
    if form != EACH:
        contents = [line for data in contents for line in FORMATS[form].decode(data).splitlines()]
    return sorted(contents, key=lambda body: json.loads(body)["id"])


def _number(identity: str) -> int:
    return int(identity.rpartition("-")[2])


SINKS = {
    "memory": memory,
    "async function": function,
    "function": plain_function,
    "folder": folder(),
    "folder, zstd": folder("ndjson.zst"),
    "folder, parquet": folder("parquet"),
    "folder, each": folder(EACH),
    "s3": s3(),
    "s3, zstd": s3("ndjson.zst"),
    "s3, parquet": s3("parquet"),
    "s3, each": s3(EACH),
    "s3, each, by obstore": s3_by_obstore(EACH),
    "gs": other(GOOGLE),
    "gs, each": other(GOOGLE, EACH),
    "az": other(AZURE),
    "az, each": other(AZURE, EACH),
}


@pytest.fixture(params=SINKS, ids=str)
def landing(request, tmp_path):
    return SINKS[request.param](request, tmp_path)


def bodies(*batches: Batch) -> list[bytes]:
    return [body for each in batches for _, body in each.payloads()]


async def test_what_was_put_is_there_byte_for_byte(landing):
    spaced = Batch("node", "", HOUR, Runs((Run((7, 8), b'{ "id" : 7, "a": 1.50 }\n{"id":8,"b":"\xc3\xa9\\n"}\n'),)))
    (receipt,) = await landing.put(spaced)
    assert landing.found() == [b'{ "id" : 7, "a": 1.50 }', b'{"id":8,"b":"\xc3\xa9\\n"}']
    assert receipt.where
    assert receipt.size > 0


async def test_the_same_batch_again_changes_nothing(landing):
    await landing.put(batch(), batch())
    assert landing.found() == bodies(batch())


async def test_batches_land_at_the_same_time(landing):
    batches = [batch(first, 5) for first in range(0, 50, 5)]
    await asyncio.gather(*map(landing.put, batches))
    assert landing.found() == bodies(*batches)


async def test_the_same_batch_at_the_same_time_lands_once(landing):
    await asyncio.gather(*(landing.put(batch()) for _ in range(3)), return_exceptions=True)
    await landing.put(batch())
    assert landing.found() == bodies(batch())


async def test_a_batch_may_have_gaps(landing):
    gaps = Batch("node", "orders", HOUR, Runs((run(0, 2), run(10, 1), run(20, 3))))
    await landing.put(gaps)
    assert landing.found() == bodies(gaps)


async def test_streams_and_hours_stay_apart(landing):
    batches = [batch(0), batch(3, stream="orders"), batch(6, hour=HOUR + 1)]
    await landing.put(*batches)
    assert landing.found() == bodies(*batches)


async def test_it_is_closed_once_everything_landed(landing):
    await landing.put(batch())
    await landing.sink.close()
    assert landing.found() == bodies(batch())
