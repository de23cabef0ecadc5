"""What the landing did so far, in plain numbers."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds


@dataclass
class Durations:
    """A histogram: how many took up to each bound, and at its end how many took longer."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def percentile(self, percent: float) -> float:
        """The bound in seconds below which `percent` (0 to 100) lie; 0 when there are none, the last beyond it."""
        rank, below = sum(self.counts) * percent / 100, 0
        for bound, count in zip(BOUNDS, self.counts, strict=False):
            below += count
            if count and below >= rank:
                return bound
        return BOUNDS[-1] if sum(self.counts) else 0.0


@dataclass
class Tally:
    """Counted in the event loop, read from anywhere.

    `completed` counts batches by what completed them, `failures` failed attempts by kind, `held` is what the sink
    wants mended (empty: nothing), `lost` payloads that the journal's disk lost after they were sealed.
    """

    payloads: int = 0
    batches: int = 0
    posted_bytes: int = 0
    stored_bytes: int = 0
    set_aside: int = 0
    lost: int = 0
    completed: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    uploads: Durations = field(default_factory=Durations)
    held: str = ""
