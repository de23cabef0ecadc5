"""What a store's refusal means, over the wire, whoever uploads: obstore or the core."""

import pytest

from headrace.sinks import Held, Rejected, Transient
from headrace.sinks.target import sink_for
from tests.processes import free_port

from .samples import batch as sample
from .store_server import environment, scripted_store


@pytest.fixture
def store(monkeypatch):
    with scripted_store() as scripted:
        for name, value in environment(scripted.url).items():
            monkeypatch.setenv(name, value)
        yield scripted


@pytest.fixture(params=["batch", "each", "each, by obstore"])
def batch(request, monkeypatch):
    """A batch of one object, to be made once the store's environment is known."""
    form = request.param.partition(",")[0]
    if "obstore" in request.param:
        monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    return sample(count=1, form="each") if form == "each" else sample()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "SlowDown", Transient),
        (503, "", Transient),
        (429, "", Transient),
        (500, "InternalError", Transient),
        (502, "", Transient),
        (504, "", Transient),
        (408, "", Transient),
        (400, "RequestTimeout", Transient),
        (409, "ConditionalRequestConflict", Transient),
        (401, "", Held),
        (403, "AccessDenied", Held),
        (403, "SignatureDoesNotMatch", Held),
        (403, "InvalidAccessKeyId", Held),
        (400, "ExpiredToken", Held),
        (400, "AuthorizationHeaderMalformed", Held),
        (404, "NoSuchBucket", Held),
        (301, "PermanentRedirect", Held),
        (400, "EntityTooLarge", Rejected),
        (400, "KeyTooLongError", Rejected),
        (413, "", Rejected),
        (422, "", Rejected),
    ],
)
async def test_a_refusal_is_transient_or_held_or_rejected(store, status, code, kind, batch):
    store.replies = [(status, code)]
    with pytest.raises(kind):
        await sink_for("s3://bucket").put(batch)


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (429, ""), (503, "")])
async def test_a_store_that_has_too_much_to_do_asks_for_less(store, status, code, batch):
    store.replies = [(status, code)]
    with pytest.raises(Transient) as raised:
        await sink_for("s3://bucket").put(batch)
    assert raised.value.slow_down


@pytest.mark.parametrize(("said", "seconds"), [("7", 7), ("86400", 300), ("soon", None)])
async def test_a_pause_that_the_store_asks_for_is_kept(store, said, seconds):
    store.replies = [(503, "SlowDown")]
    store.fields = {"Retry_After": said}
    with pytest.raises(Transient) as raised:
        await sink_for("s3://bucket").put(sample(form="each"))
    assert raised.value.retry_after == seconds


async def test_an_error_says_what_the_store_said(store, batch):
    store.replies = [(403, "AccessDenied")]
    with pytest.raises(Held, match=r"^s3://bucket/raw says: 403 AccessDenied, because; check the bucket"):
        await sink_for("s3://bucket/raw").put(batch)


async def test_nothing_is_tried_again_behind_the_workers_back(store, batch):
    store.replies = [(500, "InternalError")] * 2
    with pytest.raises(Transient):
        await sink_for("s3://bucket").put(batch)
    assert len(store.puts) == 1


async def test_a_store_that_is_away_is_transient(monkeypatch, batch):
    for name, value in environment(f"http://127.0.0.1:{free_port()}").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Transient, match=r"s3://bucket says: (HTTP error|no connection: )"):
        await sink_for("s3://bucket").put(batch)


async def test_a_store_without_conditions_gets_the_same_bytes_again(store, batch):
    store.replies = [(501, "NotImplemented")]
    sink = sink_for("s3://bucket")
    await sink.put(batch)
    await sink.put(batch)
    (_, first, _), (path, second, body), again = store.puts
    assert "if-none-match" in first
    assert "if-none-match" not in second
    assert again[0] == path
    assert again[2] == body


async def test_an_earlier_attempt_has_landed(store, batch):
    sink = sink_for("s3://bucket")
    await sink.put(batch)
    store.contents = store.puts[0][2]
    store.replies = [(412, "PreconditionFailed")]
    await sink.put(batch)


async def test_an_earlier_attempt_of_another_compressor_has_landed(store):
    import gzip

    store.contents = gzip.compress(sample().lines, 1)
    store.replies = [(412, "PreconditionFailed")]
    await sink_for("s3://bucket").put(sample())


@pytest.mark.parametrize("contents", [b"not even gzip", b""])
async def test_a_namesakes_object_is_left_alone(store, contents, batch):
    store.contents = contents
    store.replies = [(412, "PreconditionFailed")]
    with pytest.raises(Held, match="exists with other contents; another node has the same name"):
        await sink_for("s3://bucket").put(batch)


@pytest.mark.parametrize(
    ("form", "media_type"), [("ndjson.gz", "application/gzip"), ("each", "application/octet-stream")]
)
async def test_objects_have_a_type_and_ask_for_no_access_of_others(store, form, media_type):
    await sink_for("s3://bucket").put(sample(count=1, form=form))
    _, headers, _ = store.puts[0]
    assert headers["content-type"] == media_type
    assert not [name for name in headers if name.startswith(("x-amz-acl", "x-amz-grant"))]


async def test_of_single_objects_the_others_land_when_one_is_refused(store):
    store.replies = [(400, "EntityTooLarge")]
    with pytest.raises(Rejected) as raised:
        await sink_for("s3://bucket").put(sample(count=20, form="each"))
    assert len(raised.value.numbers) == 1
    assert len(store.puts) == 20


@pytest.mark.parametrize(("environ", "agent"), [({}, "headrace/"), ({"AWS_SESSION_TOKEN": "token"}, "object_store/")])
async def test_single_objects_go_by_the_core_where_it_knows_the_store(store, monkeypatch, environ, agent):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    await sink_for("s3://bucket").put(sample(form="each"))
    assert all(fields["user-agent"].startswith(agent) for _, fields, _ in store.puts)
