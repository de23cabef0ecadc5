"""The border between policy (Python) and mechanism (Rust). This stub is the contract.

Everything here is typed, frozen where it is data, and but for `TlsSession` and `HeadReader` never called on the path of
a request. Calls that may wait release the GIL. Durations are seconds (`float`), sizes are bytes (`int`), addresses are
``"127.0.0.1:2000"``, ``"[::1]:2000"``, ``"localhost:3000"`` or ``"unix:/path"``.
"""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal, final

__all__ = [
    "AddressError",
    "Balancer",
    "BalancerOptions",
    "CacheClient",
    "CacheFlow",
    "CacheOptions",
    "CacheServer",
    "ClientTls",
    "CoreError",
    "Counters",
    "Engine",
    "Event",
    "HeadReader",
    "Histogram",
    "IngestOptions",
    "IngestServer",
    "Journal",
    "JournalError",
    "JournalStatus",
    "Limits",
    "Listener",
    "LogFile",
    "LogFileStatus",
    "LogOptions",
    "LogServer",
    "LogShipper",
    "ObjectStore",
    "Objects",
    "Packed",
    "Refused",
    "Route",
    "RoutingTable",
    "Seal",
    "Server",
    "ServerStats",
    "Service",
    "Slice",
    "Span",
    "Store",
    "SyslogServer",
    "TableError",
    "Tls",
    "TlsError",
    "TlsSession",
    "Values",
    "__version__",
    "compress_log",
    "pack",
    "unpack",
]

__version__: str

class CoreError(Exception):
    """What the core could not do; the message says what, where and what to do. The base of the errors below."""

class AddressError(CoreError):
    """An address that cannot be parsed, resolved or bound (taken port, missing permission)."""

class TlsError(CoreError):
    """A certificate, key or authority that cannot be read or does not fit."""

class TableError(CoreError):
    """A routing table that contradicts itself: an unknown service, a doubled id."""

class JournalError(CoreError):
    """A journal that cannot be opened (in use, another version's), read or written."""

@final
class Tls:
    """What a listener shows to clients: certificates by server name, TLS 1.2 and 1.3, ALPN h2 and http/1.1.

    `certificates` are pairs of PEM files (chain, key); the first is shown to clients that ask for no known name.
    Without `http2` h2 is not offered. Raises `TlsError`, which names the file.
    """

    def __new__(cls, certificates: Sequence[tuple[str, str]], *, http2: bool = True) -> Tls: ...

@final
class ClientTls:
    """How a server is verified: by the authorities in the PEM file `ca`, never left out.

    `server_name` is what its certificate must be for; by default the host of the address, `"localhost"` for a
    Unix socket. Raises `TlsError`.
    """

    def __new__(cls, ca: str, *, server_name: str | None = None) -> ClientTls: ...

@final
class TlsSession:
    """The server's end of one TLS connection without its socket: ciphertext in, plaintext out, and the other way round.

    Example:
        session = TlsSession(tls)
        plaintext, reply, ended = session.receive(read_from_socket)  # reply goes to the socket, if there is any
        write_to_socket(session.send(b"hello"))
        write_to_socket(session.close())

    It keeps nothing but a record that has not arrived whole. Handshakes, and 64 KiB and more at once, release the GIL;
    calls on one session must not overlap.
    """

    def __new__(cls, tls: Tls) -> TlsSession: ...
    @property
    def handshaking(self) -> bool:
        """True until the handshake is over; nothing can be sent before."""

    def receive(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """Plaintext, what is to be sent at once, whether the client announced its end; mostly it is plaintext alone.

        Raises `TlsError` when this is no TLS, or forged, or nothing in common was found: send what `close` gives.
        """

    def send(self, data: bytes) -> bytes:
        """The ciphertext of `data`. Raises `TlsError` while handshaking and after an error."""

    def close(self) -> bytes:
        """The last bytes to send: the announcement of the end, or the alert that tells what was wrong."""

@final
class HeadReader:
    r"""Reads requests that are nothing but a head.

    Example:
        HeadReader().read(b"GET /a?b HTTP/1.1\r\nHost: c\r\n\r\n")  # ("GET", b"/a", b"b", [(b"host", b"c")])
    """

    def __new__(cls) -> HeadReader: ...
    def read(self, data: bytes) -> tuple[str, bytes, bytes, list[tuple[bytes, bytes]]] | None:
        """Method, path, query and fields, names in lower case, of the request that `data` is.

        None unless `data` is the whole of one HTTP/1.1 request that has no body, asks for no upgrade and leaves the
        connection open; another parser may know what to do with it.
        """

@final
class Limits:
    """What a listener bears from clients. Values of 0 are refused; defaults and their precedents: docs/balancer.md."""

    def __new__(
        cls,
        *,
        header_timeout: float = 30.0,
        body_idle_timeout: float = 60.0,
        body_min_rate: int = 500,
        body_grace: float = 20.0,
        write_idle_timeout: float = 60.0,
        keep_alive: float = 75.0,
        keep_alive_http2: float = 180.0,
        header_line: int = 8192,
        header_bytes: int = 32768,
        header_count: int = 100,
        connections: int = 0,
        streams: int = 100,
        stream_window: int = 65536,
        connection_window: int = 1048576,
        resets_per_second: int = 100,
        pings_per_second: int = 100,
        settings_per_second: int = 50,
        continuations_per_second: int = 20,
    ) -> Limits:
        """`connections` is the most at once over all listeners; 0 derives it from the open file limit."""

@final
class Listener:
    """A bound address that accepts connections for one handler."""

    @property
    def address(self) -> str:
        """Where it really listens: port 0 has become a number."""

    def set_tls(self, tls: Tls) -> None:
        """New handshakes use `tls`; connections that stand are not touched. Raises `TlsError` on a plain listener."""

    def close(self) -> None:
        """Accepts no more; connections that stand go on."""

@final
class Event:
    """Something that happened in the core, for Python to decide about.

    | kind | server | meaning |
    |---|---|---|
    | `"drained"` | id | a server that left the table has nothing in flight any more |
    | `"probe"` | id | a probe ended; `ok`, and `detail` says why not |
    | `"listener"` | `""` | a listener failed or recovered; `detail` says how |
    """

    @property
    def kind(self) -> Literal["drained", "probe", "listener"]: ...
    @property
    def server(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def detail(self) -> str: ...
    @property
    def seconds(self) -> float:
        """How long a probe took; 0 otherwise."""

@final
class Histogram:
    """Durations in buckets: `bounds[i]` seconds is the upper bound of `counts[i]`, the last bound is infinite."""

    @property
    def bounds(self) -> list[float]: ...
    @property
    def counts(self) -> list[int]: ...
    @property
    def sum(self) -> float: ...
    def percentile(self, percent: float) -> float:
        """Seconds below which `percent` (0 to 100) of the durations lie; 0.0 when there are none."""

@final
class Counters:
    """What all engine threads have counted since the start."""

    @property
    def connections_accepted(self) -> int: ...
    @property
    def connections_open(self) -> int: ...
    @property
    def connections_refused(self) -> int: ...
    @property
    def tls_handshakes(self) -> int: ...
    @property
    def tls_resumed(self) -> int: ...
    @property
    def tls_failed(self) -> int: ...
    @property
    def requests_http1(self) -> int: ...
    @property
    def requests_http2(self) -> int: ...
    @property
    def responses(self) -> dict[str, int]:
        """By class: `"1xx"` (only 101) to `"5xx"`."""

    @property
    def refused(self) -> dict[str, int]:
        """Requests that were answered by the engine or the balancer itself, by error code (`"bad_request"` ...)."""

    @property
    def bytes_received(self) -> int: ...
    @property
    def bytes_sent(self) -> int: ...
    @property
    def retries(self) -> int: ...
    @property
    def queued(self) -> int:
        """Requests that wait for a server right now."""

    @property
    def upstream_connections(self) -> int:
        """Connections opened to servers."""

    @property
    def tunnels_open(self) -> int: ...
    @property
    def cache_hits(self) -> int:
        """Requests that the edge cache answered with something fresh."""

    @property
    def cache_stale(self) -> int:
        """Requests that it answered with something stale."""

    @property
    def cache_revalidated(self) -> int:
        """Requests that it answered after a server said that what is stored still holds."""

    @property
    def cache_misses(self) -> int:
        """Requests for cached routes that a server answered."""

    @property
    def cache_collapsed(self) -> int:
        """Requests that waited for another one's response."""

    @property
    def cache_bytes(self) -> int:
        """Bytes of bodies that came out of the edge cache."""

    @property
    def compressed(self) -> dict[str, int]:
        """Responses that were compressed, by their content coding."""

    @property
    def compressed_in(self) -> int:
        """Bytes of their bodies as they came from servers."""

    @property
    def compressed_out(self) -> int:
        """What was left of them."""

    @property
    def syslog_open(self) -> int:
        """Connections of syslog that are open."""

    @property
    def syslog_strangers(self) -> int:
        """Connections that were closed at once, because nobody from there may send."""

    @property
    def syslog_messages(self) -> int:
        """Messages that were taken."""

    @property
    def syslog_malformed(self) -> int:
        """Those among them that had no known form, and are a text of their own."""

    @property
    def syslog_cut(self) -> int:
        """Those among them that were too long, or not whole when the connection ended."""

    @property
    def latency(self) -> Histogram:
        """From the request's head to the end of the response."""

@final
class Engine:
    """The event-loop threads of this process, one per core; traffic never waits for the GIL."""

    def __new__(cls, *, threads: int = 0, limits: Limits | None = None) -> Engine:
        """Starts the threads; 0 means one per core."""

    @property
    def threads(self) -> int: ...
    def listen(
        self,
        address: str,
        handler: Balancer | CacheServer | IngestServer | LogServer | SyslogServer,
        *,
        tls: Tls | None = None,
    ) -> Listener:
        """Binds in every thread and serves. Raises `AddressError` with what to do about it."""

    def probe(
        self, server: str, address: str, *, tls: ClientTls | None = None, path: str = "/ping", timeout: float = 5.0
    ) -> None:
        """Asks `GET path` once, without waiting; the result comes as an event with this `server`, unless stopped."""

    def events(self, timeout: float) -> list[Event]:
        """Waits up to `timeout` seconds for events and returns them, oldest first; `[]` after `stop`."""

    def wake(self) -> None:
        """Makes a waiting `events` return at once."""

    def counters(self) -> Counters: ...
    def stop(self, drain: float) -> bool:
        """Stops accepting, closes idle connections, lets requests finish for `drain` seconds, then ends the threads.

        Streams end spread over that time, as by `Balancer.end_streams`.
        True when nothing had to be cut. Waits; a second call from another thread with `drain=0` cuts it short.
        """

@final
class Server:
    """An app server in a table. The same `id` in the next table is the same server: counters and connections stay."""

    def __new__(
        cls, id: str, address: str, *, tls: ClientTls | None = None, weight: int = 1, capacity: int = 0
    ) -> Server:
        """`weight` is 1 to 1000; `capacity` is the most requests in flight at once, 0 for no bound."""

@final
class Service:
    """The servers that may answer one kind of request, in picking order.

    With none, a request is refused with 503; with `hold` it waits in the queue instead, because a server
    is expected back.
    """

    def __new__(
        cls,
        name: str,
        servers: Sequence[Server],
        *,
        policy: Literal["round-robin", "least-loaded"] = "round-robin",
        hold: bool = False,
    ) -> Service: ...

@final
class Route:
    """Requests for `host` (`""`: any) whose path is `path` or below it go to `service`. The first that fits counts.

    `max_body` bytes; 0 takes the balancer's. `cached`: responses may come from the edge cache (docs/cache.md).
    `compressed`: they are compressed for clients that accept it (docs/balancer.md).
    """

    def __new__(
        cls,
        service: str,
        *,
        host: str = "",
        path: str = "/",
        max_body: int = 0,
        cached: bool = False,
        compressed: bool = False,
    ) -> Route: ...

@final
class RoutingTable:
    """An immutable snapshot of what goes where. Raises `TableError`."""

    def __new__(cls, services: Sequence[Service], routes: Sequence[Route]) -> RoutingTable: ...

@final
class BalancerOptions:
    """How the balancer treats requests and servers. Defaults and their precedents: docs/balancer.md.

    `trusted` are networks (`"10.0.0.0/8"`) whose forwarded headers and request ids are kept; `server` is the name in
    the `Server` header of every response, `None` to leave the app's own; `via` is the pseudonym for `Via`, `None` for
    no such header; `forwarded` adds RFC 7239's header. `cache_bytes` bounds the memory of the edge cache, which is
    there once a route is `cached`; it stores bodies of up to `cache_object` bytes, has requests wait up to
    `cache_wait` seconds for another one's response, and covers errors for `cache_stale_if_error` seconds where a
    response says nothing of it.
    """

    def __new__(
        cls,
        *,
        connect_timeout: float = 3.0,
        response_timeout: float = 30.0,
        stream_idle_timeout: float = 300.0,
        idle_connections: int = 32,
        idle_timeout: float = 55.0,
        retry_budget: float = 0.2,
        retry_budget_min: int = 3,
        retry_backoff_min: float = 0.025,
        retry_backoff_max: float = 0.25,
        queue_length: int = 1024,
        queue_timeout: float = 5.0,
        max_body: int = 16777216,
        trusted: Sequence[str] = (),
        server: str | None = None,
        via: str | None = None,
        forwarded: bool = False,
        cache_bytes: int = 268435456,
        cache_object: int = 8388608,
        cache_wait: float = 5.0,
        cache_stale_if_error: int = 0,
    ) -> BalancerOptions: ...

@final
class ServerStats:
    """What was counted about one server since it first was in a table."""

    @property
    def id(self) -> str: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def failures(self) -> int:
        """Requests it failed: no connection, no or a broken response, deadline."""

    @property
    def failures_in_a_row(self) -> int: ...
    @property
    def last_failure(self) -> str:
        """The latest failure in words; empty when there was none."""

    @property
    def latency(self) -> Histogram:
        """From the request's head to the end of the response."""

@final
class Balancer:
    """The handler that passes requests on to app servers."""

    def __new__(cls, options: BalancerOptions | None = None) -> Balancer: ...
    def log_to(self, shipper: LogShipper, *, access: bool = False) -> None:
        """From now on failed requests are log entries of the source "load balancer", with `access` each request is one.

        Their fields are request_id, client, and server, status, seconds where they are known. The first call counts.
        """

    def publish(self, table: RoutingTable) -> None:
        """New requests follow `table` from now on; those under way end where they are.

        A server that is in it no more gives a `"drained"` event as soon as nothing is in flight with it.
        """

    def stats(self) -> list[ServerStats]:
        """Servers of the table, and those that left it and still have something in flight."""

    def end_streams(self, server: str, over: float) -> None:
        """Ends the streams of a server that left the table, spread over most of `over` seconds.

        Streams are tunnels, which are closed in good order, and responses without a length that have lasted for 10 s,
        which break visibly. One that becomes a stream in that time takes part. Other requests go on until `cut`.
        """

    def cut(self, server: str) -> int:
        """Ends what is still in flight with a server that left the table; returns how many."""

    def purge(
        self, *, key: str | None = None, tag: str | None = None, prefix: str | None = None, soft: bool = False
    ) -> int:
        """Removes responses from the edge cache, or with `soft` makes them stale; how many.

        Those are the one to the URI `key` with all its variants, those with `tag`, or those whose URI begins with
        `prefix`. Raises `ValueError` unless one of the three is given.
        """

    def cache_stats(self) -> dict[str, int] | None:
        """What is in the edge cache; `None` where there is none.

        The keys are entries, bytes, max_bytes, sets, evictions, expirations and invalidations.
        """

@final
class Span:
    """Payloads of one stream and one span of time, counted."""

    @property
    def stream(self) -> int: ...
    @property
    def time(self) -> int:
        """Milliseconds since 1970 at which the first of them was appended."""

    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def size(self) -> int:
        """Bytes of all payloads, a line feed behind each."""

@final
class Packed:
    """Lines as one object: `count` of them, `size` bytes before they were packed."""

    @property
    def count(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def data(self) -> bytes:
        """The object's bytes, copied anew by each look."""

def pack(lines: bytes, coding: Literal["identity", "gzip", "zstd"], *, level: int = 0) -> Packed:
    r"""Lines as one object: one gzip member, one zstd frame, or as they are. The same lines are always the same bytes.

    `level` is one of the coding's own (gzip: 1 to 9, zstd: 1 to 19), 0 the usual one. Lets go of the GIL.

    Example: `unpack(pack(b"1\n", "gzip").data, "gzip") == b"1\n"`.
    """

def unpack(data: bytes, coding: Literal["identity", "gzip", "zstd"]) -> bytes:
    """The lines of an object; `ValueError` for anything else, and for zstd that asks for a window over 8 MiB."""

@final
class Slice:
    """Payloads of one stream and one span of time, in order."""

    @property
    def stream(self) -> int: ...
    @property
    def time(self) -> int:
        """Milliseconds since 1970 at which the first of them was appended."""

    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def size(self) -> int:
        """Bytes of `lines`."""

    @property
    def numbers(self) -> Sequence[int]:
        """The payloads' numbers; a `range` where there are no gaps."""

    @property
    def lines(self) -> bytes:
        """The payloads as they were appended, a line feed behind each."""

@final
class Seal:
    """A range that is about to land, under what `note` says."""

    @property
    def id(self) -> int: ...
    @property
    def stream(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def count(self) -> int:
        """How many payloads it had when it was sealed."""

    @property
    def note(self) -> bytes: ...

@final
class JournalStatus:
    """What a journal holds and has done."""

    @property
    def health(self) -> tuple[Literal["good", "disk full", "failed"], str]:
        """How it is, and why."""

    @property
    def next(self) -> int:
        """The number that the next payload gets."""

    @property
    def unlanded(self) -> int: ...
    @property
    def oldest(self) -> int | None:
        """The lowest number that hasn't landed."""

    @property
    def bytes(self) -> int:
        """On disk."""

    @property
    def segments(self) -> int: ...
    @property
    def counts(self) -> dict[str, int]:
        """Counted since it was opened.

        Payloads `appended`, `landed`, `failed`; bytes `written`; `syncs`; appends that were refused (`refused_full`
        ...); `failures` of the disk; `holes` where records were missing.
        """

@final
class Journal:
    """What was accepted and must not be lost, until it has landed where it belongs. Payloads are numbered from 1 on.

    Opening it recovers what a crash left. Raises `JournalError`: another process has the folder, an unknown version.
    `retain` keeps landed segments for so many seconds, for the sake of idempotency keys; `reserve_bytes` of the file
    system are left to others. Calls wait for the disk and let go of the GIL.
    """

    def __new__(
        cls,
        folder: str | PathLike[str],
        *,
        node: str = "local",
        segment_bytes: int = 67108864,
        max_bytes: int = 8589934592,
        max_payloads: int = 10000000,
        reserve_bytes: int = 268435456,
        retain: float = 0.0,
    ) -> Journal: ...
    @property
    def damage(self) -> list[str]:
        """What opening found that is not as it should be, a line for each file."""

    @property
    def torn(self) -> int:
        """Bytes of a last write that opening found cut short, as a crash leaves it; none of it was acknowledged."""

    def append(self, payloads: Sequence[bytes], *, stream: int = 0) -> tuple[int, int]:
        """Appends all or nothing, and waits until it is safe; the first and the last number."""

    def open_from(self, first: int, *, max_payloads: int, max_bytes: int, span: float = 0.0) -> list[Slice]:
        """What from `first` on is neither sealed nor landed; slices end where a span of so many seconds does."""

    def survey(self, first: int, *, max_payloads: int, max_bytes: int, span: float = 0.0) -> list[Span]:
        """The same, only counted: no payload is copied."""

    def read(self, stream: int, first: int, last: int) -> list[Slice]:
        """All payloads of the range, whatever has become of them."""

    def pack(
        self, stream: int, first: int, last: int, coding: Literal["identity", "gzip", "zstd"], *, level: int = 0
    ) -> Packed:
        """The same as one object, packed as they are read; see `pack`."""

    def seal(self, stream: int, first: int, last: int, note: bytes) -> Seal:
        """Notes, safely, that what is open of the range is about to land."""

    def landed(self, id: int) -> int:
        """Notes, safely, that what was sealed as `id` has landed; how many payloads that were."""

    def sealed(self) -> list[Seal]:
        """What is sealed and hasn't landed, oldest first."""

    def wait(self, number: int, timeout: float) -> bool:
        """Waits up to `timeout` seconds until `number` or a later one can be read; whether it can."""

    def status(self) -> JournalStatus: ...
    def close(self) -> None:
        """Makes what was appended safe; appends and notes are refused from now on."""

def compress_log(path: str | PathLike[str]) -> Path:
    """Compresses a log file that is written no more to one with `.zst` behind its name, and removes it.

    In frames that `headrace logs search` decodes one by one, and `zstd -d` as any other file. Raises `OSError`; the
    file stays then.
    """

@final
class LogFileStatus:
    """How a log file does."""

    @property
    def fault(self) -> str:
        """What is wrong at the moment, in words; empty while nothing is. Entries wait in the journal meanwhile."""

    @property
    def waiting(self) -> int:
        """Entries that wait in the window."""

    @property
    def waiting_bytes(self) -> int: ...
    @property
    def length(self) -> int:
        """Of the file, in bytes."""

    @property
    def counts(self) -> dict[str, int]:
        """Counted since it was opened.

        `lines` written, how many of them `late`, their `bytes`; `unreadable` payloads of the journal; `flushes`;
        `rotations`; `failures`, attempts to go on included.
        """

@final
class LogFile:
    r"""The file that entries in a journal are written to, by a thread of its own, in order of their times.

    Example:
        file = LogFile(journal, "log/log.txt", checkpoint="journal/order.checkpoint")
        file.close(3.0)

    An entry waits `window` seconds for earlier ones; what comes later still is written at once and told in the side
    file, `log.txt.late`, a line each: its place in the file, a semicolon, the line. `line` is `"json"` or a template of
    `{time}` (`{time:ms}`, `:us`, `:ns`), `{level}`, `{source}`, `{message}`, `{fields}`. At most `window_bytes` (up to
    2 GiB) wait in memory. A file of `rotate_bytes`, or of another day, gets a name by the time of its first entry, as
    `log-20261123-154000-0001.txt`. `checkpoint` is kept beside the journal: what is in the file, whatever crashes.

    Raises `ValueError` for a template that cannot be read back, `JournalError` for a checkpoint that cannot be read. A
    file that cannot be opened or written is no error: `status` tells, and it is tried again each second.
    """

    def __new__(
        cls,
        journal: Journal,
        path: str | PathLike[str],
        *,
        checkpoint: str | PathLike[str],
        line: str = "{time};{level};{source};{message}",
        window: float = 2.0,
        window_bytes: int = 268435456,
        rotate_bytes: int = 104857600,
    ) -> LogFile: ...
    def status(self) -> LogFileStatus: ...
    def close(self, drain: float) -> None:
        """Writes on for up to `drain` seconds until nothing waits, then ends. What waits then stays in the journal."""

@final
class IngestOptions:
    """What an ingest server takes, and when it answers. Defaults and their precedents: docs/ingest.md.

    `streams` are paths and the number of each one's stream in the journal; `tokens` are those that a collection may
    carry, none for any. `max_length` bounds a body as sent and as decoded, `max_reading` all that are being read at
    once. `window` is how long an `Idempotency-Key` is remembered, for at most `max_keys`; give the journal the same
    time as `retain`, and restarts forget none. `"object"` waits up to `landing_timeout` for a collection to land.
    """

    def __new__(
        cls,
        *,
        streams: Sequence[tuple[str, int]] | None = None,
        tokens: Sequence[str] = (),
        max_length: int = 1048576,
        max_reading: int = 268435456,
        ack: Literal["memory", "disk", "object"] = "disk",
        landing_timeout: float = 60.0,
        window: float = 600.0,
        max_keys: int = 1000000,
    ) -> IngestOptions: ...

@final
class IngestServer:
    """The handler that takes JSON collections into a journal and answers when they are safe."""

    def __new__(cls, journal: Journal, options: IngestOptions | None = None) -> IngestServer: ...
    def set_retry_after(self, after: float) -> None:
        """What `Retry-After` says from now on, in seconds; it follows from how fast the queue drains."""

@final
class CacheOptions:
    """What a cache server takes. Defaults and their precedents: docs/cache.md.

    `tokens` are those that a request may carry, none for any; then calls of web pages are refused. `max_value` and
    `max_batch` are bytes of a value and of a batch of operations, `max_reading` of all bodies that are being read at
    once. Raises `ValueError` where there is no room for one body.
    """

    def __new__(
        cls,
        *,
        tokens: Sequence[str] = (),
        max_value: int = 8388608,
        max_batch: int = 33554432,
        max_reading: int = 268435456,
    ) -> CacheOptions: ...

@final
class CacheServer:
    """The handler that puts values into a store, gets them out, and tells near caches what changed.

    Example: `engine.listen("127.0.0.1:5000", CacheServer(Store(max_bytes=1 << 28), CacheOptions(tokens=["secret"])))`.
    """

    def __new__(cls, store: Store, options: CacheOptions | None = None) -> CacheServer: ...

@final
class LogOptions:
    """What a log server takes. Defaults and their precedents: docs/logs.md.

    `tokens` are those that a request may carry, none for any; then calls of web pages are refused. `max_ahead` is how
    many seconds an entry's time may lie ahead of this machine's clock. The others are those of `IngestOptions`.
    """

    def __new__(
        cls,
        *,
        tokens: Sequence[str] = (),
        max_ahead: float = 10.0,
        max_length: int = 4194304,
        max_reading: int = 268435456,
        window: float = 600.0,
        max_keys: int = 1000000,
    ) -> LogOptions: ...

@final
class LogServer:
    """The handler that takes log entries into a journal, answers when they are safe, and lets the log be read.

    `file` is the log that is written, whose folder has the rotated ones; none: nothing can be read. `line` is the form
    of its lines. Raises `ValueError` for a form that makes no sense.
    """

    def __new__(
        cls,
        journal: Journal,
        options: LogOptions | None = None,
        *,
        file: str | PathLike[str] | None = None,
        line: str | None = None,
    ) -> LogServer: ...
    def set_retry_after(self, after: float) -> None:
        """What `Retry-After` says from now on, in seconds."""

@final
class SyslogServer:
    """Takes syslog over TCP or TLS into the journal of `logs`: RFC 5424 and 3164, framed by count or by line.

    Example: `engine.listen("127.0.0.1:6514", SyslogServer(logs, networks=["127.0.0.0/8"]), tls=tls)`.

    `networks` are those whose clients may connect; a message longer than `max_message` bytes (at most 4 MiB) is cut.
    Raises `ValueError`, and `CoreError` for what is no network.
    """

    def __new__(cls, logs: LogServer, *, networks: Sequence[str], max_message: int = 65536) -> SyslogServer: ...
    def set_utc_offset(self, seconds: int) -> None:
        """Times without a zone are so many seconds ahead of UTC from now on; 0 before the first call."""

@final
class Store:
    """Values by key in the memory of this process, at most `max_bytes` of keys, values, tags and what keeps them.

    A value larger than `max_value` bytes is refused; 0: a quarter of what a shard may hold. `shards` are locks, 0: by
    cores. A thread gives memory of the expired back; it does not survive a fork, and neither should the store: make
    another one. Keys, tags and prefixes are text (as UTF-8) or bytes, times are seconds. Only `wait`, `save`, `load`
    and `invalidate_prefix` take their time, and let go of the GIL.

        store = Store(max_bytes=64 << 20)
        store.set("post:3", b"...", 600, 3600, ["posts"])
        value, age, fresh_for, stale_for, version = store.get("post:3")
        store.invalidate_tag("posts")  # 1
    """

    def __new__(cls, *, max_bytes: int = 268435456, max_value: int = 0, shards: int = 0) -> Store: ...
    def get(self, key: str | bytes, /) -> tuple[bytes, float, float, float, int] | None:
        """The value, its age, how long it is fresh, how long it may be used after that, its version.

        Fresh for 0 seconds is stale; then the fourth counts from now on. A version is never given twice.
        """

    def set(
        self,
        key: str | bytes,
        value: bytes,
        fresh: float,
        stale: float = 0.0,
        tags: Sequence[str] = (),
        *,
        lease: int = 0,
        over: int | None = None,
        meta: bytes = b"",
    ) -> bool:
        """Stores it for `fresh` seconds, and for `stale` more in which it may be used while it is renewed.

        False: the `lease` it was computed under is lost, or the version `over` is no longer there and fresh, and
        nothing is stored. Raises `ValueError`: too large.
        """

    def lease(self, key: str | bytes, seconds: float) -> tuple[tuple[bytes, float, float, float, int] | None, int]:
        """What there is, and a lease for the caller to compute the value, at most so many `seconds`.

        0 with a fresh value: nothing to do. 0 otherwise: another one holds the lease, so `wait`.
        """

    def wait(self, key: str | bytes, timeout: float) -> bool:
        """Whether within `timeout` the key's lease ended: it was set, given up, invalidated, or time ran out."""

    def lease_left(self, key: str | bytes, /) -> float:
        """For how many seconds another one holds the key's lease, if nothing ends it before; 0 where nobody does."""

    def give_up(self, key: str | bytes, lease: int) -> None:
        """Ends a lease without a value; whoever waits may try."""

    def remove(self, key: str | bytes, *, soft: bool = False) -> bool:
        """Removes the value, or ends its fresh time where `soft`; whether there was one. A lease of it is lost."""

    def invalidate_tag(self, tag: str | bytes, *, soft: bool = False) -> int:
        """The same for all that have the tag, at once; how many."""

    def invalidate_prefix(self, prefix: str | bytes, *, soft: bool = False) -> int:
        """The same for all whose key begins so (``""``: all); at once, but the count takes a look at every key."""

    def save(self, path: str | PathLike[str]) -> int:
        """Writes all that may still be used to a file; how many. Raises `OSError`, and leaves the file as it was."""

    def load(self, path: str | PathLike[str]) -> int:
        """Takes in what was saved and removes the file; how many may still be used. No file: 0.

        Raises `CoreError`: it is damaged or of another program; it was moved to ``PATH.damaged``, nothing was taken.
        """

    def stats(self) -> dict[str, int]:
        """What there is: `entries`, `bytes`, `max_bytes`; and what happened, as counts.

        `hits` (fresh ones), `stale_hits`, `misses`, `sets`, `evictions`, `expirations`, `invalidations` (entries),
        `leases` (granted), `refused` (too large, or the lease was lost).
        """

@final
class Values:
    """What a store has, as Python objects: the shortest way from a key to a value.

    `loads` makes a value of bytes. With `plain` it gives the same plain data (None, bool, int, float, str, bytes, and
    dicts and lists of them) for the same bytes, without effects: then values are decoded once and copied for each
    caller, who may change what it was given. Other objects are decoded for each caller. Decoded values are kept beside
    the store: of at most 1 MiB of bytes, and of 64 KiB for one value.

        values = Values(store, json.loads, None, plain=True)
        values.get("post:3")  # {"title": "Mill"}
    """

    def __new__(cls, store: Store, loads: Callable[[bytes], object], missing: object, *, plain: bool) -> Values: ...
    def get(self, key: str | bytes, /) -> object:
        """The value; `missing` where there is no fresh one, or `loads` raises."""

@final
class LogShipper:
    """Takes log entries without ever waiting, and posts them to `headrace logs collect` from a thread of the core's.

    Example:
        shipper = LogShipper("http://127.0.0.1:6000", source="shop")
        shipper.put(time.time(), "INFO", "shop", "open", None, False)
        shipper.close(5.0)

    | parameter | meaning |
    |---|---|
    | `ca` | the PEM file by which an https URL is verified |
    | `source` | who tells of entries that were dropped |
    | `queue_bytes` | most bytes of entries in memory; what comes then is dropped, counted and told by an entry later |
    | `spill` | folder for what the collector doesn't take yet; None: it stays in memory |
    | `spill_bytes` | most bytes of this process's file there |

    A file whose process ended is delivered by another one with the same folder, so that it belongs to one URL. After a
    fork the child must forget the object without a call. Raises `AddressError` or `TlsError`.
    """

    def __new__(
        cls,
        url: str,
        *,
        source: str,
        token: str = "",
        ca: str | None = None,
        queue_bytes: int = 16777216,
        spill: str | PathLike[str] | None = None,
        spill_bytes: int = 67108864,
    ) -> LogShipper: ...
    def put(self, time: float, level: str, source: str, message: str, fields: str | None, urgent: bool, /) -> bool:
        """Whether there was room. `time` is seconds since 1970, `fields` a JSON object on one line.

        An urgent entry leaves at once with all before it; others wait for company, 100 ms at most.
        """

    def flush(self, timeout: float) -> bool:
        """Waits until all that was put is with the collector, or at least in the file; whether it was in time."""

    def close(self, timeout: float) -> bool:
        """As `flush`, and takes no more; from half of the time on what is left goes to the file."""

    def counts(self) -> dict[str, int]:
        """What became of entries: put, waiting, spilled, acknowledged, refused, dropped, adopted."""

@final
class Objects:
    r"""Payloads that shall become objects, each of its own, and which of them are left.

    Example: `Objects([(range(7, 9), b'{"a":1}\n{"a":2}\n')], before="dt=2026-01-05/web-1-", digits=16, after=".json")`.

    A run has the payloads' numbers and a line for each; the key of an object is `before`, the payload's number with
    leading zeros up to `digits`, `after`.
    """

    def __new__(
        cls, runs: Sequence[tuple[Sequence[int], bytes]], *, before: str, digits: int, after: str
    ) -> Objects: ...
    def stop(self) -> None:
        """Nothing is left, whatever was uploaded so far."""

@final
class Refused:
    """A payload that a store did not take."""

    @property
    def number(self) -> int: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def status(self) -> int | None:
        """None where there was no answer."""

    @property
    def text(self) -> str:
        """The body of the answer, or why there is none."""

    @property
    def retry_after(self) -> float | None:
        """The pause in seconds that the store asked for."""

@final
class ObjectStore:
    """A bucket of a store that speaks S3, with credentials that do not change.

    Example:
        store = ObjectStore("https://s3.eu-west-1.amazonaws.com/bucket", ca=bundle, region="eu-west-1", ...)
        while refused := store.upload(objects, create=True):
            ...  # what it means, and whether to go on

    | parameter | meaning |
    |---|---|
    | `ca` | the PEM file by which an https URL is verified |
    | `connect`, `read` | seconds until a connection stands, and from a request's last byte to its answer's |

    Requests are signed by AWS's Signature Version 4. Raises `AddressError` or `TlsError`.
    """

    def __new__(
        cls,
        url: str,
        *,
        region: str,
        access_key: str,
        secret_key: str,
        ca: str | None = None,
        connect: float = 5.0,
        read: float = 120.0,
    ) -> ObjectStore: ...
    def upload(self, objects: Objects, *, create: bool) -> Refused | None:
        """Uploads what is left as `application/octet-stream`, one by one, until nothing is or a payload is not taken.

        The next call goes on behind it; threads that call at once share the work. `create`: an object that is there
        already is refused with 412, and not replaced.
        """

@final
class CacheClient:
    """One cache server over HTTP/1.1, for threads that wait: kept connections, TLS once, a circuit.

    Example: `CacheClient("http://127.0.0.1:5000", token="t").get("post:3")`.

    Each call ends within `timeout`, connecting included. `ca` is the PEM file by which an `https` server is verified.
    Calls raise `ConnectionError` where the server is away, too slow, answers nonsense, or was so a moment ago;
    `PermissionError` where it does not take the token; `ValueError` where it does not take the call. A value comes as
    (bytes, age, seconds it is still fresh, seconds it may be used stale after that, version, tags); the tags are None
    unless the client is `with_tags`, and where the server does not tell them.
    """

    def __new__(
        cls, url: str, *, token: str = "", ca: str | None = None, timeout: float = 0.25, with_tags: bool = False
    ) -> CacheClient: ...
    def is_located(self) -> bool:
        """Whether the server's name needs no looking up."""
    def locate(self) -> None:
        """Looks up the server's name."""
    def get(self, key: str, /) -> tuple[bytes, float, float, float, int, list[str] | None] | None:
        """The value, stale or not."""
    def get_many(self, keys: list[str], /) -> dict[str, tuple[bytes, float, float, float, int, list[str] | None]]:
        """The values that are there, in one request."""
    def set(
        self,
        key: str,
        value: bytes,
        ttl: float,
        stale: float,
        tags: Sequence[str],
        lease: str | None,
        over: int | None,
        /,
    ) -> bool:
        """Keeps a value; False where the lease was lost, or the version `over` is no longer there."""
    def set_many(self, values: Sequence[tuple[str, bytes]], ttl: float, stale: float, tags: Sequence[str], /) -> int:
        """Keeps several values in one request; how many were taken."""
    def delete(self, key: str, /) -> bool:
        """Removes a value; whether there was one."""
    def invalidate(self, key: str | None, tag: str | None, prefix: str | None, soft: bool, /) -> int:
        """Removes what has this key, tag or prefix, one of them; how many that were."""
    def lease(
        self, key: str, hold: float, wait: float, /
    ) -> tuple[tuple[bytes, float, float, float, int, list[str] | None] | None, str | None]:
        """What there is, and the right to compute it where nobody else has it. May take `wait` seconds longer."""
    def give_up(self, key: str, id: str, /) -> None:
        """Ends a lease without a value."""

@final
class CacheFlow:
    """The calls of one event loop to one server: each is sent at once, and its future completed by `drain`.

    Example: `loop.add_reader(flow.fileno(), flow.drain); flow.get(future, "post:3"); await future`.

    Calls and what futures get are those of `CacheClient`; errors come from the call or by the future. A future may be
    cancelled at any time. The server's name must be located before.
    """

    def __new__(cls, client: CacheClient, /) -> CacheFlow: ...
    def fileno(self) -> int:
        """A descriptor that is readable when `drain` has something to do."""
    def drain(self) -> None:
        """Completes the futures whose answers came or whose time is over."""
    def close(self) -> None:
        """Closes all connections; calls on their way fail."""
    def get(self, future: object, key: str, /) -> None: ...
    def get_many(self, future: object, keys: list[str], /) -> None: ...
    def set(
        self,
        future: object,
        key: str,
        value: bytes,
        ttl: float,
        stale: float,
        tags: Sequence[str],
        lease: str | None,
        over: int | None,
        /,
    ) -> None: ...
    def set_many(
        self,
        future: object,
        values: Sequence[tuple[str, bytes]],
        ttl: float,
        stale: float,
        tags: Sequence[str],
        /,
    ) -> None: ...
    def delete(self, future: object, key: str, /) -> None: ...
    def invalidate(
        self, future: object, key: str | None, tag: str | None, prefix: str | None, soft: bool, /
    ) -> None: ...
    def lease(self, future: object, key: str, hold: float, wait: float, /) -> None: ...
    def give_up(self, future: object, key: str, id: str, /) -> None: ...
