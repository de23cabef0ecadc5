"""The machine below a service, by what `faults.c` has in the service's own process."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class Machine:
    """Example: `scenario.life(environ=machine.environment)`, and within it `with machine.failing("/journal"): ...`."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._sync = folder / "faulty-sync"
        self._clock = folder / "faulty-clock"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAULTY_SYNC": str(self._sync),
            "FAULTY_CLOCK": str(self._clock),
        }

    @contextlib.contextmanager
    def failing(self, part: str) -> Iterator[None]:
        """No file with this part in its path can be synced."""
        _replace(self._sync, part)
        try:
            yield
        finally:
            self._sync.unlink()

    def fail_once(self, part: str) -> None:
        """The next sync of such a file fails."""
        _replace(self._sync, f"once {part}")

    def set_clock(self, seconds: int) -> None:
        """The wall clock is off by so many."""
        _replace(self._clock, str(seconds))


def _replace(path: Path, text: str) -> None:
    """At once: the service may read it at any moment."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.replace(path)
