"""Certificates that listeners show, and how they follow their files without a restart."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace import _core
from headrace.errors import HeadraceError

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds between looks at the files


@dataclass(frozen=True)
class Shown:
    """What a service shows.

    `public` are (chain, key) pairs of its public address, none for plain HTTP; `admin` is the pair of the admin port,
    `ca` the authority of client certificates there; `names` are this machine's. `renew`, called every `renewal`
    seconds, makes anew what is about to expire.
    """

    public: Sequence[tuple[Path, Path]]
    admin: tuple[Path, Path]
    ca: Path
    names: Sequence[str]
    renew: Callable[[], object]
    renewal: float

    def tls(self) -> _core.Tls | None:
        """What the public listener shows. Raises `TlsError`, which names the file."""
        return _core.Tls([(str(chain), str(key)) for chain, key in self.public]) if self.public else None


class CertificateWatch:
    """Reloads certificates when their files change, and renews them in time.

    `show` hands what the files hold now to the listeners; what it raises leaves everything as it was, with a warning.
    """

    def __init__(self, shown: Shown, show: Callable[[], None]) -> None:
        self._shown = shown
        self._show = show
        self._stamps = self._look()

    async def run(self) -> None:
        """Watch until cancelled."""
        await asyncio.gather(self._follow(), self._keep_fresh())

    def reload(self) -> None:
        """Show what the files hold now."""
        try:
            self._show()
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
            await asyncio.sleep(self._shown.renewal)
            try:
                await asyncio.to_thread(self._shown.renew)
            except (HeadraceError, OSError) as error:
                log.warning("the certificates were not renewed: %s", error)

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for pair in (*self._shown.public, self._shown.admin) for path in pair]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
