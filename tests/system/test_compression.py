"""Compression as users have it: on by default, off by a flag or for a route, counted at the admin port."""

import subprocess
import textwrap

import httpx

from tests.core.compressing import decode, decoder_of
from tests.core.wire import eventually

from .apps.pages import PAGE

ALL = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def raw(client, path, **headers):
    """A response with its body as it was sent."""
    with client.stream("GET", path, headers=headers or ALL) as response:
        return response, b"".join(response.iter_raw())


def test_pages_are_compressed_by_default(stack):
    decoder_of("zstd"), decoder_of("br")
    stack.balance()
    stack.serve("pages:app")
    for http2 in (True, False):
        with stack.client(http2=http2) as client:
            plain = raw(client, "/", **{"Accept-Encoding": "identity"})[1]
            for coding in ("zstd", "br", "gzip"):
                response, body = raw(client, "/", **{"Accept-Encoding": coding})
                assert response.headers["content-encoding"] == coding
                assert decode(coding, body) == plain
            assert client.get("/", headers={"Accept-Encoding": "gzip"}).content == plain
    text = stack.admin.get("/metrics").text
    assert 'headrace_balancer_compressed_responses_total{coding="br"} 2.0' in text
    assert 'headrace_balancer_compressed_responses_total{coding="gzip"} 4.0' in text
    assert f"headrace_balancer_compressed_in_bytes_total {8 * len(plain):.1f}" in text


def test_a_flag_leaves_responses_alone(stack):
    stack.balance("--no-compress")
    stack.serve("pages:app")
    with stack.client() as client:
        assert "content-encoding" not in raw(client, "/")[0].headers


def test_a_route_says_it_for_itself(stack):
    stack.balance(routes="/plain=web;no-compress, /=web")
    stack.serve("pages:app", "--service", "web")
    with stack.client() as client:
        assert "content-encoding" not in raw(client, "/plain")[0].headers
        assert raw(client, "/")[0].headers["content-encoding"] == "zstd"


def test_curl_decodes_it(stack, tool):
    stack.balance()
    stack.serve("pages:app")
    curl = (tool("curl"), "--silent", "--compressed", "--cacert", str(stack.ca))
    for version in ("--http1.1", "--http2"):
        assert subprocess.run([*curl, version, stack.url], capture_output=True, timeout=60, check=True).stdout == PAGE


def test_nginx_decodes_it_for_clients_of_its_own(stack, tool, tmp_path):
    nginx = tool("nginx")
    stack.balance()
    stack.serve("pages:app")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        textwrap.dedent(
            f"""
            daemon off; pid {tmp_path}/nginx.pid; error_log stderr crit;
            events {{}}
            http {{
                access_log off;
                client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;
                fastcgi_temp_path {tmp_path}/fastcgi; uwsgi_temp_path {tmp_path}/uwsgi; scgi_temp_path {tmp_path}/scgi;
                server {{
                    listen unix:{tmp_path}/nginx;
                    location / {{
                        proxy_pass {stack.url};
                        proxy_http_version 1.1;
                        proxy_set_header Accept-Encoding gzip;
                        gunzip on;
                    }}
                }}
            }}
            """
        )
    )
    process = subprocess.Popen([nginx, "-p", str(tmp_path), "-c", str(configuration)])
    try:
        assert eventually((tmp_path / "nginx").exists)
        transport = httpx.HTTPTransport(uds=str(tmp_path / "nginx"))
        with httpx.Client(transport=transport, base_url="http://app.test") as client:
            response, body = raw(client, "/", **{"Accept-Encoding": "identity"})
            assert body == PAGE
            assert response.headers["vary"] == "Accept-Encoding"
            response, body = raw(client, "/", **{"Accept-Encoding": "gzip"})
            assert decode("gzip", body) == PAGE
    finally:
        process.terminate()
        process.wait(10)
