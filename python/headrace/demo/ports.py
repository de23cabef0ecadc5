"""The demo's ports: which are taken, and which to take instead."""

import errno
import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from headrace.errors import OperationError, UsageError

HIGHEST = 65535
CHOICE = range(20_000, 32_000)
"""Below what systems hand out by themselves: an outgoing connection must not take a port before its part listens."""


@dataclass(frozen=True)
class Ports:
    """Where each part listens; the blog has `workers` ports from `blog` on. 0 stands for a free one."""

    public: int = 2000
    admin: int = 2001
    blog: int = 3000
    data: int = 4000
    cache: int = 5000
    logs: int = 6000

    def options(self) -> str:
        """The command line options that choose these."""
        inner = f"--blog-port {self.blog} --data-port {self.data} --cache-port {self.cache} --logs-port {self.logs}"
        return f"--port {self.public} --admin-port {self.admin} {inner}"

    def all(self, workers: int) -> list[int]:
        """Each single port."""
        return [self.public, self.admin, *range(self.blog, self.blog + workers), self.data, self.cache, self.logs]


def settle(ports: Ports, host: str, workers: int) -> Ports:
    """`ports` with a free one in place of each 0.

    Raises `OperationError` when one is taken, and says which and how to choose others; `UsageError` for numbers that
    are too high or doubled.
    """
    free = _row(host, workers + 5) if 0 in vars(ports).values() else 0
    chosen = Ports(
        public=ports.public or free,
        admin=ports.admin or free + 1,
        blog=ports.blog or free + 5,
        data=ports.data or free + 2,
        cache=ports.cache or free + 4,
        logs=ports.logs or free + 3,
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
        moved = Ports(**{name: port + step for name, port in vars(ports).items()})
        if max(moved.all(workers)) <= HIGHEST and all(_is_free(host, port) for port in moved.all(workers)):
            return moved
    return Ports(0, 0, 0, 0, 0, 0)


def _row(host: str, count: int) -> int:
    """The first of `count` free ports in a row."""
    for _ in range(100):
        row = range(first := random.choice(CHOICE), first + count)  # noqa: S311 - no secret
        if all(_is_free(host, port) and _is_free("127.0.0.1", port) for port in row):
            return first
    raise OperationError(f"no {count} ports in a row are free", hint="name them, as in headrace demo --port 2000")


def _is_free(host: str, port: int) -> bool:
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
                return False
            raise OperationError(f"cannot listen on {host}: {error.strerror}", hint="see --host") from error
        return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _listed(numbers: Iterable[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last
