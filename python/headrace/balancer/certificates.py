"""Certificates that listeners show, and how they follow their files without a restart."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace import _core
from headrace.balancer.adminport import AdminPort
from headrace.errors import HeadraceError

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds between looks at the files


@dataclass(frozen=True)
class Credentials:
    """What the balancer shows and whom it believes.

    `public` are (chain, key) pairs, none for plain HTTP; `admin` is the pair of the admin port; `ca` is the authority
    of app servers and client certificates; `names` are this machine's; `renew`, called every `renewal` seconds, makes
    anew what is about to expire. `sign` makes a certificate (PEM) of a signing request (PEM), names and a label.
    """

    public: Sequence[tuple[Path, Path]]
    admin: tuple[Path, Path]
    ca: Path
    names: Sequence[str]
    renew: Callable[[], object]
    renewal: float
    sign: Callable[[bytes, Sequence[str], str], bytes]

    def tls(self) -> _core.Tls | None:
        """What the public listener shows. Raises `TlsError`, which names the file."""
        return _core.Tls([(str(chain), str(key)) for chain, key in self.public]) if self.public else None


class CertificateWatch:
    """Reloads certificates when their files change, and renews them in time."""

    def __init__(self, credentials: Credentials, listener: _core.Listener, port: AdminPort) -> None:
        self._credentials = credentials
        self._listener = listener
        self._port = port
        self._stamps = self._look()

    async def run(self) -> None:
        """Watch until cancelled."""
        await asyncio.gather(self._follow(), self._keep_fresh())

    def reload(self) -> None:
        """Show what the files hold now; files that don't fit leave everything as it was, with a warning."""
        try:
            tls = self._credentials.tls()
            if tls is not None:
                self._listener.set_tls(tls)
            self._port.reload()
        except (_core.CoreError, ssl.SSLError, OSError) as error:
            log.warning("the certificates were not reloaded: %s", error)
        else:
            log.info("the certificates were reloaded")

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if (stamps := self._look()) != self._stamps:
                self._stamps = stamps
                self.reload()

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._credentials.renewal)
            try:
                await asyncio.to_thread(self._credentials.renew)
            except (HeadraceError, OSError) as error:
                log.warning("the certificates were not renewed: %s", error)

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for pair in (*self._credentials.public, self._credentials.admin) for path in pair]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
