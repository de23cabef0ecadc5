"""Google Cloud Storage and Azure: what is sent to them, and what their refusals mean."""

from urllib.parse import unquote

import pytest

from headrace.sinks import Held, Rejected, Transient
from headrace.sinks.target import sink_for
from tests.core.certificates import Authority

from .other_stores import AZURE, GOOGLE, azure
from .samples import batch
from .store_server import scripted_store


@pytest.fixture
def store(dialect, tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    with scripted_store(authority.leaf("127.0.0.1").server_context()) as scripted:
        for name, value in {**dialect.environment(scripted.url), "SSL_CERT_FILE": authority.ca}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        yield scripted


both = pytest.mark.parametrize("dialect", [GOOGLE, AZURE], ids=lambda dialect: dialect.scheme)
refusals = pytest.mark.parametrize(
    ("dialect", "status", "code", "kind"),
    [
        (GOOGLE, 429, "SlowDown", Transient),
        (GOOGLE, 500, "InternalError", Transient),
        (GOOGLE, 503, "ServiceUnavailable", Transient),
        (GOOGLE, 401, "AuthenticationRequired", Held),
        (GOOGLE, 403, "AccessDenied", Held),
        (GOOGLE, 404, "NoSuchBucket", Held),
        (GOOGLE, 400, "EntityTooLarge", Rejected),
        (GOOGLE, 400, "KeyTooLong", Rejected),
        (AZURE, 500, "OperationTimedOut", Transient),
        (AZURE, 503, "ServerBusy", Transient),
        (AZURE, 409, "ContainerBeingDeleted", Transient),
        (AZURE, 403, "AuthenticationFailed", Held),
        (AZURE, 404, "ContainerNotFound", Held),
        (AZURE, 413, "RequestBodyTooLarge", Rejected),
    ],
    ids=lambda value: getattr(value, "scheme", None),
)


@refusals
@pytest.mark.parametrize("form", ["ndjson.gz", "each"])
async def test_a_refusal_is_transient_or_held_or_rejected(dialect, store, status, code, kind, form):
    store.replies = [(status, code)]
    with pytest.raises(kind, match=r"container says|is busy with"):
        await sink_for(f"{dialect.scheme}://container").put(batch(count=1, form=form))


@pytest.mark.parametrize(
    ("dialect", "status", "code"),
    [(GOOGLE, 429, "SlowDown"), (AZURE, 503, "ServerBusy"), (AZURE, 500, "OperationTimedOut")],
    ids=lambda value: getattr(value, "scheme", None),
)
async def test_a_store_that_has_too_much_to_do_asks_for_less(dialect, store, status, code):
    store.replies = [(status, code)]
    with pytest.raises(Transient) as raised:
        await sink_for(f"{dialect.scheme}://container").put(batch())
    assert raised.value.slow_down


@both
@pytest.mark.parametrize(("form", "names"), [("ndjson.gz", "-0000000000000007.ndjson.gz"), ("each", ".json")])
async def test_an_object_is_created_below_the_prefix_and_never_replaced(dialect, store, form, names):
    await sink_for(f"{dialect.scheme}://container/raw").put(batch(7, count=1, form=form))
    ((path, fields, _),) = store.puts
    assert unquote(path) == f"/container/raw/dt=2025-11-24/hour=16/node-0000000000000007{names}"
    name, value = dialect.condition
    assert fields[name] == value
    assert not [name for name in fields if "acl" in name]


@both
async def test_an_earlier_attempt_has_landed(dialect, store):
    sink = sink_for(f"{dialect.scheme}://container")
    await sink.put(batch())
    store.contents = store.puts[0][2]
    store.replies = [dialect.exists]
    await sink.put(batch())


@both
async def test_a_namesakes_object_is_left_alone(dialect, store):
    store.contents = b"of somebody else"
    store.replies = [dialect.exists]
    with pytest.raises(Held, match="exists with other contents; another node has the same name"):
        await sink_for(f"{dialect.scheme}://container").put(batch())


@pytest.mark.parametrize("name", ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"])
async def test_an_emulator_of_azure_may_be_plain(name, monkeypatch):
    with scripted_store() as store:
        environment = azure(store.url)
        environment[name] = environment.pop("AZURE_STORAGE_ENDPOINT")
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        await sink_for("az://container").put(batch())
        assert len(store.puts) == 1
