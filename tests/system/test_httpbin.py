"""httpbin (Flask, WSGI), unmodified, behind the balancer over HTTPS: what it says about requests must be true."""

import base64

import httpx
import pytest

from .stack import Stack


@pytest.fixture(scope="module")
def stack(shared: Stack) -> Stack:
    shared.balance()
    shared.serve("httpbin:app", workers=2)
    return shared


@pytest.fixture(params=[False, True], ids=["http1.1", "http2"])
def client(stack: Stack, request):
    with stack.client(http2=request.param, follow_redirects=True) as client:
        yield client


def test_it_sees_the_address_the_client_asked_for(client: httpx.Client, stack: Stack):
    seen = client.get("/get", params={"q": "ä b", "empty": ""}, headers={"X-Own": "kept"}).json()
    assert seen["args"] == {"q": "ä b", "empty": ""}
    assert seen["url"].startswith(f"{stack.url}/get?")
    assert seen["origin"] == "127.0.0.1"
    assert seen["headers"]["X-Own"] == "kept"


def test_a_form_with_a_file_arrives(client: httpx.Client):
    content = bytes(range(256)) * 4096
    seen = client.post("/post", data={"name": "value"}, files={"file": ("f.bin", content, "application/x-own")}).json()
    assert seen["form"] == {"name": "value"}
    assert base64.b64decode(seen["files"]["file"].split(",", 1)[1]) == content


def test_a_body_of_unknown_length_arrives(client: httpx.Client):
    seen = client.post("/post", content=(b"part %d;" % number for number in range(100))).json()
    assert seen["data"] == "".join(f"part {number};" for number in range(100))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_each_method_arrives(client: httpx.Client, method: str):
    seen = client.request(method, f"/{method.lower()}", json={"list": [1, 2]}).json()
    assert seen["json"] == {"list": [1, 2]}


def test_log_in_by_password_and_by_bearer(client: httpx.Client):
    assert client.get("/basic-auth/ann/secret").status_code == 401
    assert client.get("/basic-auth/ann/secret", auth=("ann", "secret")).json()["authenticated"]
    assert client.get("/bearer", headers={"Authorization": "Bearer key"}).json()["token"] == "key"


def test_digest_log_in(client: httpx.Client):
    assert client.get("/digest-auth/auth/ann/secret", auth=httpx.DigestAuth("ann", "secret")).json()["authenticated"]


def test_cookies_come_and_go(client: httpx.Client):
    client.get("/cookies/set", params={"a": "1", "b": "2"})
    assert client.get("/cookies").json()["cookies"] == {"a": "1", "b": "2"}
    client.get("/cookies/delete", params={"a": ""})
    assert client.get("/cookies").json()["cookies"] == {"b": "2"}


@pytest.mark.parametrize("path", ["/redirect/3", "/relative-redirect/3", "/absolute-redirect/3"])
def test_redirects_lead_back_to_https(client: httpx.Client, path: str):
    answer = client.get(path)
    assert answer.status_code == 200
    assert len(answer.history) == 3
    assert str(answer.url).startswith("https://localhost:")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli"])
def test_compressed_responses_pass_unharmed(client: httpx.Client, coding: str):
    answer = client.get(f"/{coding}", headers={"Accept-Encoding": "gzip, deflate, br"})
    assert answer.json()["brotli" if coding == "brotli" else {"gzip": "gzipped"}.get(coding, "deflated")]


@pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 500, 503])
def test_a_status_is_the_apps_own(client: httpx.Client, status: int):
    assert client.get(f"/status/{status}").status_code == status


def test_lines_stream(client: httpx.Client):
    with client.stream("GET", "/stream/50") as response:
        assert sum(1 for line in response.iter_lines() if line) == 50


def test_a_dripping_response_arrives_whole(client: httpx.Client):
    assert client.get("/drip", params={"numbytes": 5, "duration": 1, "delay": 0}).content == b"*" * 5


def test_ranges_and_bytes(client: httpx.Client):
    assert len(client.get("/bytes/100000", params={"seed": 1}).content) == 100_000
    part = client.get("/range/1000", headers={"Range": "bytes=10-19"})
    assert (part.status_code, len(part.content)) == (206, 10)


def test_head_has_no_body_and_the_same_headers(client: httpx.Client):
    plain = {"Accept-Encoding": "identity"}
    get, head = client.get("/html", headers=plain), client.head("/html", headers=plain)
    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"]
    get, head = client.get("/html"), client.head("/html")
    assert head.content == b""
    assert head.headers["content-encoding"] == get.headers["content-encoding"] == "zstd"


def test_revalidation(client: httpx.Client):
    assert client.get("/etag/one", headers={"If-None-Match": '"one"'}).status_code == 304
    assert client.get("/cache", headers={"If-Modified-Since": "Sat, 29 Oct 1994 19:43:31 GMT"}).status_code == 304


def test_pictures_are_what_they_say(client: httpx.Client):
    assert client.get("/image/png").content.startswith(b"\x89PNG")
