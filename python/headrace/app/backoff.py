"""How long a worker that ended isn't started again."""

from dataclasses import dataclass

FIRST = 0.1
LONGEST = 10.0
HEALTHY = 30.0


@dataclass
class Backoff:
    """0.1 s, doubling to 10 s, and from the start again after a worker that lived for 30 s.

    Example: `[Backoff().after(lived=0.0)] == [0.1]`.
    """

    delay: float = FIRST

    def after(self, lived: float) -> float:
        """The seconds to wait after a worker that lived for `lived` seconds."""
        delay = FIRST if lived >= HEALTHY else self.delay
        self.delay = min(delay * 2, LONGEST)
        return delay
