"""The proxies that are compared: how each is configured and started. Their configurations stand in `peers/`."""

import contextlib
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headrace.bench.certificate import Certificate
from headrace.bench.process import Running, running
from headrace.bench.tools import CADDY, H2O, HAPROXY, NGINX, Tool, pypi
from headrace.bench.wait import free_port, until_answered

CONFIGURATIONS = Path(__file__).with_name("peers")


class Template(string.Template):
    """A configuration with `@name` in place of what differs between runs; `$` is nginx's own."""

    delimiter = "@"


@dataclass(frozen=True)
class Setting:
    """Where peers run: the core, the folder for their files, the certificate they show."""

    core: int
    folder: Path
    certificate: Certificate

    def names(self) -> dict[str, object]:
        """What a configuration may name."""
        files = self.certificate
        return {"folder": self.folder, "certificate": files.certificate, "key": files.key, "both": files.both}


@dataclass(frozen=True)
class Peer:
    """A proxy: its program, its configuration, and how that says TLS and servers."""

    name: str
    tool: Tool
    configuration: str
    arguments: tuple[str, ...]  # with @configuration, @folder and @port
    tls: str  # what stands for @tls in the configuration
    server: str  # what each of @servers is, with @address (@host and @port) and @number
    plain: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)

    def render(self, setting: Setting, *, port: int, servers: Sequence[str], tls: bool, admin: int = 0) -> str:
        """The configuration that listens on `port` and passes requests on to `servers` (`"127.0.0.1:9001"`)."""
        names = {**setting.names(), "port": port, "admin": admin}
        server = Template(self.server)
        lines = []
        for number, address in enumerate(servers):
            host, _, its_port = address.rpartition(":")
            lines.append(server.substitute(address=address, host=host, port=its_port, number=number))
        names["tls"] = Template(self.tls if tls else self.plain).substitute(names)
        return Template((CONFIGURATIONS / self.configuration).read_text()).substitute(names, servers="\n".join(lines))

    @contextlib.contextmanager
    def started(
        self, setting: Setting, servers: Sequence[str], *, tls: bool, admin: int = 0
    ) -> Iterator[tuple[Running, str]]:
        """The running proxy and its URL, once a request through it was answered with 200.

        Without `servers`, which may then join by themselves, it need not answer yet.
        """
        port = free_port()
        path = setting.folder / self.configuration
        path.write_text(self.render(setting, port=port, servers=servers, tls=tls, admin=admin))
        names = {**setting.names(), "configuration": path, "port": port}
        command = [self.tool.require(), *(Template(argument).substitute(names) for argument in self.arguments)]
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/"
        with running(self.name, command, setting.folder, setting.core, self.environ) as process:
            if servers:
                until_answered(url, process)
            yield process, url


@dataclass(frozen=True)
class Interpreter(Tool):
    """headrace itself: the package that runs, as a program of its own."""

    def path(self) -> str:
        """The interpreter."""
        return sys.executable


HEADRACE = Peer(
    name="headrace",
    tool=Interpreter("headrace", pypi("headrace"), ("-m", "headrace", "--version")),
    configuration="headrace.toml",
    arguments=("-m", "headrace", "balance", "--settings", "@configuration", "--state", "@folder/state"),
    tls='cert = ["@certificate"]\nkey = ["@key"]',
    plain="plain = true",
    server='"http://@address",',
)
NGINX_PEER = Peer(
    name="nginx",
    tool=NGINX,
    configuration="nginx.conf",
    arguments=("-e", "stderr", "-c", "@configuration"),
    tls="ssl http2",
    server="server @address;",
)
HAPROXY_PEER = Peer(
    name="haproxy",
    tool=HAPROXY,
    configuration="haproxy.cfg",
    arguments=("-db", "-f", "@configuration"),
    tls="ssl crt @both alpn h2,http/1.1",
    server="server s@number @address",
)
H2O_PEER = Peer(
    name="h2o",
    tool=H2O,
    configuration="h2o.conf",
    arguments=("-c", "@configuration"),
    tls="ssl: {certificate-file: @certificate, key-file: @key, minimum-version: TLSv1.2, ocsp-update-interval: 0}",
    server="@address",
)
CADDY_PEER = Peer(
    name="caddy",
    tool=CADDY,
    configuration="Caddyfile",
    arguments=("run", "--adapter", "caddyfile", "--config", "@configuration"),
    tls="tls @certificate @key",
    server="@address",
    environ={"GOMAXPROCS": "1"},
)
PEERS = (HEADRACE, NGINX_PEER, HAPROXY_PEER, H2O_PEER, CADDY_PEER)
