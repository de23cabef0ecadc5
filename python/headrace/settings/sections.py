"""What can be set: one frozen dataclass for each part, with the default and one line of help at each key.

The defaults of limits and time-outs, and whose precedent they are, stand in docs/settings.md.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args, get_type_hints

from headrace.settings.values import (
    ADDRESS,
    BYTE_SIZE,
    JOURNAL_SIZE,
    PATH,
    PATHS,
    PORT,
    SHARE,
    SPAN,
    SPAN_OR_NONE,
    SWITCHED,
    TEXT,
    TEXTS,
    Kind,
    one_of,
    whole,
)


@dataclass(frozen=True)
class Key:
    """What is known about one setting; a key whose default is None can be left unset.

    `variable` is a second name in the environment, understood where `HEADRACE_<SECTION>_<KEY>` isn't given.
    """

    name: str
    default: Any
    kind: Kind[Any]
    help: str
    variable: str = ""

    def read(self, value: object) -> object:
        """The value in the key's own type, or `ValueError`; an empty text unsets what can be unset."""
        return None if self.default is None and value == "" else self.kind.read(value)

    def show(self, value: object) -> str:
        """The text that `read` understands."""
        return "" if value is None else self.kind.show(value)


@dataclass(frozen=True)
class Section:
    """The base of all sections; `name` is what stands in brackets in headrace.toml."""

    name: ClassVar[str]

    @classmethod
    def keys(cls) -> dict[str, Key]:
        """The section's keys, in the order in which they are explained."""
        hints = get_type_hints(cls, include_extras=True)
        return {field.name: Key(field.name, field.default, *get_args(hints[field.name])[1:]) for field in fields(cls)}


@dataclass(frozen=True)
class ClientLimits(Section):
    """What a listener bears from clients; names and defaults are those of `headrace._core.Limits`."""

    header_timeout: Annotated[float, SPAN, "a request's head must have arrived within this time"] = 30.0
    body_idle_timeout: Annotated[float, SPAN, "longest pause in a request's body"] = 60.0
    body_min_rate: Annotated[int, BYTE_SIZE, "bytes a second that a request's body must reach"] = 500
    body_grace: Annotated[float, SPAN, "how long a body may be slower than that"] = 20.0
    write_idle_timeout: Annotated[float, SPAN, "longest time a client may take nothing of its response"] = 60.0
    keep_alive: Annotated[float, SPAN, "idle HTTP/1.1 connections are closed after this time"] = 75.0
    keep_alive_http2: Annotated[float, SPAN, "idle HTTP/2 connections are closed after this time"] = 180.0
    header_line: Annotated[int, BYTE_SIZE, "longest line of a request's head"] = 8192
    header_bytes: Annotated[int, BYTE_SIZE, "largest head of a request"] = 32768
    header_count: Annotated[int, whole(1), "most header fields of a request"] = 100
    connections: Annotated[int, whole(0), "most client connections at once; 0 fits the open file limit"] = 0
    streams: Annotated[int, whole(1), "most HTTP/2 requests at once on a connection"] = 100
    stream_window: Annotated[int, BYTE_SIZE, "HTTP/2 flow control window of a request"] = 65536
    connection_window: Annotated[int, BYTE_SIZE, "HTTP/2 flow control window of a connection"] = 1048576
    resets_per_second: Annotated[int, whole(1), "HTTP/2 resets a second before the connection is ended"] = 100
    pings_per_second: Annotated[int, whole(1), "HTTP/2 pings a second before the connection is ended"] = 100
    settings_per_second: Annotated[int, whole(1), "HTTP/2 settings frames a second before the connection is ended"] = 50
    continuations_per_second: Annotated[int, whole(1), "HTTP/2 continuation frames a second, likewise"] = 20


@dataclass(frozen=True)
class ForwardingOptions(Section):
    """How requests are passed on; names and defaults are those of `headrace._core.BalancerOptions`."""

    connect_timeout: Annotated[float, SPAN, "longest time to connect to an app server"] = 3.0
    response_timeout: Annotated[float, SPAN, "longest wait for the head of its response"] = 30.0
    stream_idle_timeout: Annotated[float, SPAN, "longest pause in a response or an upgraded connection"] = 300.0
    idle_connections: Annotated[int, whole(0), "idle connections kept for each app server and thread"] = 32
    idle_timeout: Annotated[float, SPAN, "how long they are kept; shorter than the app server's own limit"] = 55.0
    retry_budget: Annotated[float, SHARE, "share of the active requests that may be retries"] = 0.2
    retry_budget_min: Annotated[int, whole(0), "retries at once that are always allowed"] = 3
    retry_backoff_min: Annotated[float, SPAN_OR_NONE, "shortest pause before a retry"] = 0.025
    retry_backoff_max: Annotated[float, SPAN_OR_NONE, "longest pause before a retry"] = 0.25
    queue_length: Annotated[int, whole(0), "most requests that wait for an app server"] = 1024
    queue_timeout: Annotated[float, SPAN, "longest time that a request waits for one"] = 5.0
    max_body: Annotated[int, BYTE_SIZE, "largest request body"] = 16777216
    trusted: Annotated[tuple[str, ...], TEXTS, "networks of proxies whose forwarded headers are believed"] = ()
    server: Annotated[str | None, TEXT, "the Server header of every response; unset leaves the app's own"] = None
    via: Annotated[str | None, TEXT, "pseudonym for the Via header; unset adds none"] = None
    forwarded: Annotated[bool, SWITCHED, "add the Forwarded header of RFC 7239"] = False
    cache_bytes: Annotated[int, BYTE_SIZE, "memory of the edge cache, where there is one"] = 268435456
    cache_object: Annotated[int, BYTE_SIZE, "largest body that it stores"] = 8388608
    cache_wait: Annotated[float, SPAN, "longest time that a request waits for another one's response"] = 5.0
    cache_stale_if_error: Annotated[int, whole(0, 2147483647), "seconds that a stale response covers an error"] = 0


@dataclass(frozen=True)
class BalancerSettings(ForwardingOptions, ClientLimits):
    """`headrace balance`."""

    name = "balancer"

    address: Annotated[str, ADDRESS, "the public address; port 0 picks a free one"] = "0.0.0.0:2000"
    plain: Annotated[bool, SWITCHED, "plain HTTP/1.1 in place of TLS"] = False
    cert: Annotated[tuple[Path, ...], PATHS, "certificate files (PEM chains), one for each name shown by SNI"] = ()
    key: Annotated[tuple[Path, ...], PATHS, "their private keys, in the same order"] = ()
    admin: Annotated[str, ADDRESS, "the admin address, where app servers register"] = "127.0.0.1:2001"
    open: Annotated[bool, SWITCHED, "ask no token at the admin port; on loopback only"] = False
    token: Annotated[str | None, TEXT, "the admin port's token; unset takes the state folder's"] = None
    threads: Annotated[int, whole(0, 1024), "event loop threads; 0 is one for each core"] = 0
    logs: Annotated[str | None, TEXT, "the collector of the central log: https://127.0.0.1:6000; unset: none"] = None
    access_log: Annotated[bool, SWITCHED, "each request is an entry of the central log"] = False
    policy: Annotated[str, one_of("round-robin", "least-loaded"), "how a server is picked"] = "round-robin"
    servers: Annotated[tuple[str, ...], TEXTS, "app servers that don't register themselves: http://127.0.0.1:3000"] = ()
    routes: Annotated[
        tuple[str, ...], TEXTS, 'what goes where, first match first: "example.org/shop=shop"; "/assets=web;cache"'
    ] = ()
    cache: Annotated[bool, SWITCHED, "answer from the edge cache what its responses allow"] = False
    compress: Annotated[bool, SWITCHED, "compress responses for clients that accept it"] = True
    lease: Annotated[float, SPAN, "a server that hasn't renewed for this long is taken out"] = 10.0
    grace: Annotated[float, SPAN, "saved servers stay for this long after a restart unless they renew"] = 30.0
    drain: Annotated[float, SPAN, "longest time that a leaving server's requests may take"] = 30.0
    hold: Annotated[float, SPAN_OR_NONE, "requests wait for a service whose last server left less long ago"] = 30.0
    probe_path: Annotated[str, TEXT, "what is asked to see whether a server works"] = "/ping"
    probe_interval: Annotated[float, SPAN, "time between two probes of a server"] = 2.0
    probe_timeout: Annotated[float, SPAN, "longest time that a probe may take"] = 5.0
    probe_good: Annotated[int, whole(1, 100), "good probes in a row that bring a server back"] = 2
    probe_bad: Annotated[int, whole(1, 100), "bad probes in a row that take a server out"] = 3


@dataclass(frozen=True)
class AppSettings(Section):
    """`headrace serve`."""

    name = "app"

    interface: Annotated[str, one_of("auto", "asgi", "wsgi"), "how the app is called"] = "auto"
    factory: Annotated[bool, SWITCHED, "APP is a function that makes the app"] = False
    host: Annotated[str, TEXT, "the address that workers listen on"] = "127.0.0.1"
    port: Annotated[int, PORT, "the first worker's port, the others follow; 0 picks free ones"] = 3000
    uds: Annotated[Path | None, PATH, "a folder for Unix sockets in place of ports"] = None
    workers: Annotated[int, whole(1, 1024), "app server processes"] = 1
    balancer: Annotated[str | None, TEXT, "the balancer's admin URL; unset: just serve"] = None
    service: Annotated[tuple[str, ...], TEXTS, "services that this app handles; unset: all"] = ()
    weight: Annotated[int, whole(1, 1000), "share of the requests, relative to the other servers"] = 1
    capacity: Annotated[int, whole(0), "most requests at once for each worker; 0: no bound"] = 0
    version: Annotated[str | None, TEXT, "the app's version, shown by `headrace servers`"] = None
    address: Annotated[str | None, TEXT, "the host under which the balancer reaches the workers"] = None
    ca: Annotated[Path | None, PATH, "the authority of the balancer's admin port; unset: the state folder's"] = None
    plain: Annotated[bool, SWITCHED, "plain HTTP/1.1 between balancer and workers"] = False
    reload: Annotated[bool, SWITCHED, "restart workers when Python files change"] = False
    ping_path: Annotated[str, TEXT, "where readiness is told"] = "/ping"
    keep_alive: Annotated[float, SPAN, "idle connections are closed after this time; longer than the balancer's"] = 75.0
    logs: Annotated[str | None, TEXT, "the collector of the central log: https://127.0.0.1:6000; unset: none"] = None
    drain: Annotated[float, SPAN, "longest time that requests may take once a stop was asked for"] = 30.0


@dataclass(frozen=True)
class CacheSettings(ClientLimits):
    """`headrace cache`."""

    name = "cache"

    header_line: Annotated[int, BYTE_SIZE, "longest line of a request's head; keys are in it"] = 32768
    header_bytes: Annotated[int, BYTE_SIZE, "largest head of a request"] = 131072
    address: Annotated[str, ADDRESS, "where values are put and got; port 0 picks a free one"] = "0.0.0.0:5000"
    plain: Annotated[bool, SWITCHED, "plain HTTP/1.1 in place of TLS"] = False
    cert: Annotated[tuple[Path, ...], PATHS, "certificate files (PEM chains), one for each name shown by SNI"] = ()
    key: Annotated[tuple[Path, ...], PATHS, "their private keys, in the same order"] = ()
    admin: Annotated[str, ADDRESS, "the admin address: status and metrics"] = "127.0.0.1:5001"
    open: Annotated[bool, SWITCHED, "ask no token; with an address on loopback only"] = False
    url: Annotated[str | None, TEXT, "HEADRACE_CACHE_URL: where `Cache()` goes; unset: https://127.0.0.1:5000"] = None
    token: Annotated[str | None, TEXT, "the token of both ports; unset takes the state folder's"] = None
    threads: Annotated[int, whole(0, 1024), "event loop threads; 0 is one for each core"] = 0
    logs: Annotated[str | None, TEXT, "the collector of the central log: https://127.0.0.1:6000; unset: none"] = None
    max_bytes: Annotated[int, BYTE_SIZE, "memory for values, with their keys, tags and what it takes to keep them"] = (
        268435456
    )
    max_value: Annotated[int, BYTE_SIZE, "largest value"] = 8388608
    max_batch: Annotated[int, BYTE_SIZE, "largest body of a batch"] = 33554432
    max_reading: Annotated[int, BYTE_SIZE, "bytes of all bodies that are being read at once"] = 268435456
    snapshot: Annotated[
        Path | None, PATH, "a file that keeps the values from a stop to the next start; unset: none"
    ] = None
    drain: Annotated[float, SPAN, "longest time to finish requests, once a stop was asked for"] = 30.0


@dataclass(frozen=True)
class IngestSettings(ClientLimits):
    """`headrace ingest`."""

    name = "ingest"

    address: Annotated[str, ADDRESS, "the public address; port 0 picks a free one"] = "0.0.0.0:7000"
    plain: Annotated[bool, SWITCHED, "plain HTTP/1.1 in place of TLS"] = False
    cert: Annotated[tuple[Path, ...], PATHS, "certificate files (PEM chains), one for each name shown by SNI"] = ()
    key: Annotated[tuple[Path, ...], PATHS, "their private keys, in the same order"] = ()
    admin: Annotated[str, ADDRESS, "the admin address: status, metrics, workers"] = "127.0.0.1:7001"
    open: Annotated[bool, SWITCHED, "ask no token at the admin port; on loopback only"] = False
    threads: Annotated[int, whole(0, 1024), "event loop threads; 0 is one for each core"] = 0
    logs: Annotated[str | None, TEXT, "the collector of the central log: https://127.0.0.1:6000; unset: none"] = None
    paths: Annotated[tuple[str, ...], TEXTS, "where is posted, and to which stream: /, /orders, /v1/in=orders"] = ("/",)
    tokens: Annotated[tuple[str, ...], TEXTS, "what a collection's token may be; none: anything"] = ()
    ack: Annotated[str, one_of("memory", "disk", "object"), "where payloads are when they are acknowledged"] = "disk"
    landing_timeout: Annotated[float, SPAN, "longest time that ack = object waits, before it says disk"] = 60.0
    max_length: Annotated[int, BYTE_SIZE, "largest collection, decoded too", "MAX_LENGTH"] = 1048576
    max_reading: Annotated[int, BYTE_SIZE, "bytes of all collections that are being read at once"] = 268435456
    window: Annotated[float, SPAN, "how long an Idempotency-Key is remembered"] = 600.0
    max_keys: Annotated[int, whole(1), "most keys that are remembered"] = 1000000
    queue: Annotated[int, whole(1), "most payloads that wait to be landed", "MAX_QUEUE"] = 10000000
    journal_bytes: Annotated[int, JOURNAL_SIZE, "most bytes of the journal, landed or not"] = 8589934592
    reserve: Annotated[int, BYTE_SIZE, "bytes of the journal's disk that are left to others"] = 268435456
    to: Annotated[str, TEXT, "where payloads land: a folder, a store's URL, or module:function"] = "./landed"
    workers: Annotated[int, whole(1, 256), "batches that land at once", "MAX_WORKERS"] = 4
    format: Annotated[str, one_of("ndjson.gz", "ndjson.zst", "parquet"), "how a batch is stored"] = "ndjson.gz"
    compression_level: Annotated[int, whole(0, 19), "of ndjson.gz (1 to 9) and ndjson.zst (1 to 19); 0: 2 and 1"] = 0
    objects: Annotated[str, one_of("batch", "each"), "an object for each batch, or for each payload"] = "batch"
    batch_bytes: Annotated[int, BYTE_SIZE, "a batch is complete at this size, as stored"] = 8388608
    batch_count: Annotated[int, whole(1), "a batch is complete with so many payloads"] = 500000
    batch_age: Annotated[float, SPAN, "a batch is complete when its first payload has waited this long"] = 30.0
    node: Annotated[str | None, TEXT, "this machine's name in keys, another one on each; unset: its host name"] = None
    drain: Annotated[float, SPAN, "longest time to finish requests and to land, once a stop was asked for"] = 30.0


@dataclass(frozen=True)
class LogsSettings(ClientLimits):
    """`headrace logs collect`."""

    name = "logs"

    address: Annotated[str, ADDRESS, "where entries are posted and read; port 0 picks a free one"] = "0.0.0.0:6000"
    plain: Annotated[bool, SWITCHED, "plain HTTP/1.1 in place of TLS"] = False
    cert: Annotated[tuple[Path, ...], PATHS, "certificate files (PEM chains), one for each name shown by SNI"] = ()
    key: Annotated[tuple[Path, ...], PATHS, "their private keys, in the same order"] = ()
    admin: Annotated[str, ADDRESS, "the admin address: status and metrics"] = "127.0.0.1:6001"
    open: Annotated[bool, SWITCHED, "ask no token; with an address on loopback only"] = False
    token: Annotated[str | None, TEXT, "the token of both ports; unset takes the state folder's"] = None
    threads: Annotated[int, whole(0, 1024), "event loop threads; 0 is one for each core"] = 0
    syslog: Annotated[
        str | None, ADDRESS, "where syslog is taken over TLS, or over TCP with `plain`; unset: nowhere"
    ] = None
    syslog_from: Annotated[tuple[str, ...], TEXTS, "networks whose machines may send syslog"] = ("127.0.0.0/8", "::1")
    syslog_length: Annotated[int, BYTE_SIZE, "longest message of syslog; longer ones are cut"] = 65536
    url: Annotated[str | None, TEXT, "the collector that `tail` and `search` ask; unset: https://127.0.0.1:6000"] = None
    file: Annotated[Path, PATH, "the file that entries are written to, in the order of their time"] = Path(
        "log/log.txt"
    )
    folder: Annotated[Path | None, PATH, "where entries wait to be written; unset: logs in the state folder"] = None
    line: Annotated[str, TEXT, "how a line looks: a template of {time}, {level}, {source}, {message}, or json"] = (
        "{time};{level};{source};{message}"
    )
    window: Annotated[float, SPAN, "how long an entry waits for earlier ones"] = 2.0
    window_bytes: Annotated[int, BYTE_SIZE, "most bytes of entries that wait in memory"] = 268435456
    max_ahead: Annotated[float, SPAN, "how far ahead of this machine's clock an entry's time may lie"] = 10.0
    rotate_bytes: Annotated[int, BYTE_SIZE, "a file of this size gets a name, and the next one begins"] = 104857600
    compress: Annotated[bool, SWITCHED, "compress files that are full"] = True
    keep: Annotated[float | None, SPAN, "how long full files are kept after their last line; unset: for ever"] = None
    keep_bytes: Annotated[int | None, BYTE_SIZE, "most bytes of full files, the oldest go; unset: any number"] = None
    max_length: Annotated[int, BYTE_SIZE, "largest body, decoded too"] = 4194304
    max_reading: Annotated[int, BYTE_SIZE, "bytes of all bodies that are being read at once"] = 268435456
    key_window: Annotated[float, SPAN, "how long an Idempotency-Key is remembered"] = 600.0
    max_keys: Annotated[int, whole(1), "most keys that are remembered"] = 1000000
    queue: Annotated[int, whole(1), "most entries that wait in the journal to be written"] = 100000000
    journal_bytes: Annotated[int, JOURNAL_SIZE, "most bytes of the journal"] = 8589934592
    reserve: Annotated[int, BYTE_SIZE, "bytes of the journal's disk that are left to others"] = 268435456
    drain: Annotated[float, SPAN, "longest time to finish requests and to write, once a stop was asked for"] = 30.0


@dataclass(frozen=True)
class TlsSettings(Section):
    """The certificates that the local authority makes."""

    name = "tls"

    names: Annotated[tuple[str, ...], TEXTS, "host names and addresses to certify beside this machine's own"] = ()
    renewal: Annotated[float, SPAN, "time between two looks whether a certificate is about to expire"] = 3600.0


SECTIONS: tuple[type[Section], ...] = (
    BalancerSettings,
    AppSettings,
    CacheSettings,
    LogsSettings,
    IngestSettings,
    TlsSettings,
)
