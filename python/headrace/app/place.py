"""Where workers listen: a port or a Unix socket for each."""

import contextlib
import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.errors import OperationError, UsageError

SOCKET_PATH_BYTES = 107  # sockaddr_un on Linux, less its NUL


@dataclass(frozen=True)
class Place:
    """One worker's address: `host` and `port`, or the `path` of a Unix socket."""

    host: str = ""
    port: int = 0
    path: Path | None = None
    tls: bool = False

    @property
    def address(self) -> str:
        """`"127.0.0.1:3000"`, `"[::1]:3000"` or `"unix:/run/shop/0.sock"`."""
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def scheme(self) -> str:
        """How it is spoken to."""
        return "https" if self.tls else "http"

    @property
    def url(self) -> str:
        """For people: `"https://127.0.0.1:3000"`, or the address of a Unix socket."""
        return self.address if self.path is not None else f"{self.scheme}://{self.address}"

    def bind(self) -> tuple["Place", socket.socket]:
        """A socket that is bound, so that the place is ours, but doesn't listen yet; and the place, port 0 resolved.

        Raises `OperationError` that names the address and how to choose another.
        """
        try:
            if self.path is not None:
                return self, _bind_path(self.path)
            bound = _bind_port(self.host, self.port)
        except OSError as error:
            raise OperationError(
                f"cannot listen on {self.address}: {_why(error)}", hint=self._elsewhere(error)
            ) from error
        return replace(self, port=bound.getsockname()[1]), bound

    def _elsewhere(self, error: OSError) -> str:
        if self.path is not None:
            return "choose another folder with --uds"
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            return "choose an address of this machine with --host"
        return "choose another with --port, --port 0 takes free ones"

    def release(self) -> None:
        """Takes a Unix socket's file away."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def places(*, host: str, port: int, uds: Path | None, workers: int, tls: bool) -> list[Place]:
    """A place for each worker: ports from `port` on (0: any), or sockets in the folder `uds`.

    Raises `UsageError` for ports past the last one and paths that are too long for a socket.
    """
    if uds is not None:
        return [_in_folder(uds, index) for index in range(workers)]
    if port and port + workers - 1 > 65535:
        raise UsageError(f"{workers} workers from port {port} on would pass 65535", hint="choose a lower --port")
    return [Place(host, port and port + index, tls=tls) for index in range(workers)]


def bind_all(wanted: Sequence[Place]) -> list[tuple[Place, socket.socket]]:
    """Binds them all or none. Raises `OperationError`."""
    with contextlib.ExitStack() as taken:
        bound = []
        for place in wanted:
            bound.append(place.bind())
            taken.enter_context(bound[-1][1])
        taken.pop_all()
        return bound


def _in_folder(folder: Path, index: int) -> Place:
    path = folder.absolute() / f"{index}.sock"
    if len(str(path).encode()) > SOCKET_PATH_BYTES:
        raise UsageError(f"{path} is longer than a socket's path may be", hint="choose a shorter folder with --uds")
    return Place(path=path)


def _bind_port(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def _bind_path(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            _remove_stale(path)
        bound.bind(str(path))
        path.chmod(0o600)
    except BaseException:
        bound.close()
        raise
    return bound


def _remove_stale(path: Path) -> None:
    """A socket's file outlives a killed server; if somebody answers it isn't stale."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise OSError(errno.EADDRINUSE, "it is taken")


def _why(error: OSError) -> str:
    return "it is taken" if error.errno == errno.EADDRINUSE else (error.strerror or str(error)).lower()
