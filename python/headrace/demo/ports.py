"""The demo's ports: which are taken, and which to take instead."""

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass, replace

from headrace.errors import OperationError, UsageError

HIGHEST = 65535


@dataclass(frozen=True)
class Ports:
    """Where each part listens; the blog has `workers` ports from `blog` on. 0 stands for a free one."""

    public: int = 2000
    admin: int = 2001
    blog: int = 3000
    data: int = 4000

    def options(self) -> str:
        """The command line options that choose these."""
        return f"--port {self.public} --admin-port {self.admin} --blog-port {self.blog} --data-port {self.data}"

    def all(self, workers: int) -> list[int]:
        """Each single port."""
        return [self.public, self.admin, *range(self.blog, self.blog + workers), self.data]


def settle(ports: Ports, host: str, workers: int) -> Ports:
    """`ports` with a free one in place of each 0.

    Raises `OperationError` when one is taken, and says which and how to choose others; `UsageError` for numbers that
    are too high or doubled.
    """
    chosen = Ports(
        public=ports.public or _free(host),
        admin=ports.admin or _free("127.0.0.1"),
        blog=ports.blog or _free("127.0.0.1", workers),
        data=ports.data or _free("127.0.0.1"),
    )
    every = chosen.all(workers)
    if max(every) > HIGHEST:
        raise UsageError(f"there is no port {max(every)}", hint=f"{HIGHEST} is the highest")
    doubled = sorted({port for port in every if every.count(port) > 1})
    if doubled:
        raise UsageError(f"port {doubled[0]} would be used twice", hint=f"the defaults are {Ports().options()}")
    taken = [port for port in every if not _is_free(host if port == chosen.public else "127.0.0.1", port)]
    if taken:
        named = ("port " if len(taken) == 1 else "ports ") + _listed(taken)
        others = f"headrace demo {_shifted(chosen, host, workers).options()}"
        raise OperationError(f"{named} {'is' if len(taken) == 1 else 'are'} taken", hint=f"choose others: {others}")
    return chosen


def _shifted(ports: Ports, host: str, workers: int) -> Ports:
    """The same a few hundred higher, where all are free."""
    for step in range(100, 10_000, 100):
        moved = replace(
            ports, public=ports.public + step, admin=ports.admin + step, blog=ports.blog + step, data=ports.data + step
        )
        if max(moved.all(workers)) <= HIGHEST and all(_is_free(host, port) for port in moved.all(workers)):
            return moved
    return Ports(0, 0, 0, 0)


def _free(host: str, count: int = 1) -> int:
    """The first of `count` free ports in a row."""
    for _ in range(100):
        first = _bound(host, 0)
        if all(first + more <= HIGHEST and _is_free(host, first + more) for more in range(count)):
            return first
    raise OperationError(f"no {count} ports in a row are free", hint="name one with --blog-port")


def _is_free(host: str, port: int) -> bool:
    return _bound(host, port) != 0


def _bound(host: str, port: int) -> int:
    """The port that binding `port` gives, which is another one for 0; 0 when it is taken."""
    with socket.socket(_family(host)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except PermissionError as error:
            raise OperationError(
                f"port {port} needs more rights than you have", hint="choose one above 1023"
            ) from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return 0
            raise OperationError(f"cannot listen on {host}: {error.strerror}", hint="see --host") from error
        return int(listener.getsockname()[1])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _listed(numbers: Iterable[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last
