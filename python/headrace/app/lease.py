"""What an agent does next, and what it has to say, after each call to the balancer. Pure: no socket, no clock.

| the call | next one after | said once |
|---|---|---|
| took the lease | 1 s | the address |
| took it, and the balancer's first probe is still to come | 50 ms, doubling to 1 s | the address |
| found nobody, or trouble on the other side | 50 ms, doubling to 1 s | that the balancer is away |
| was refused (token, certificate, address) | 10 s | what to do about it |
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

RENEW: Final = 1.0
FIRST_RETRY: Final = 0.05
LONGEST_RETRY: Final = 1.0
PATIENCE: Final = 5  # calls after which a worker that isn't picked yet counts as settled
SLOW_RETRY: Final = 10.0


class Answer(Enum):
    """How a call went."""

    TAKEN = "taken"
    JOINING = "joining"  # taken, but not picked yet
    AWAY = "away"
    REFUSED = "refused"


TAKES: Final = (Answer.TAKEN, Answer.JOINING)


@dataclass(frozen=True)
class Lease:
    """What the agent remembers: how the last call went, and how many in a row ended like it.

    `held` is whether the balancer has this worker, as far as can be known from here.
    """

    last: Answer | None = None
    detail: str = ""
    tries: int = 0
    held: bool = False

    @property
    def settled(self) -> bool:
        """Whether the balancer picks this worker, or can't be waited for."""
        return self.last is not None and (self.last is not Answer.JOINING or self.tries >= PATIENCE)


@dataclass(frozen=True)
class Step:
    """The lease after a call, the seconds until the next one, and whether the answer is news."""

    lease: Lease
    delay: float
    news: bool


def after(lease: Lease, answer: Answer, detail: str, jitter: float) -> Step:
    """What follows from `answer`; `jitter` is a random number from 0 to 1 that keeps many workers apart.

    Example: `after(Lease(), Answer.AWAY, "connection refused", 0.5).delay == 0.0375`.
    """
    tries = lease.tries + 1 if answer is lease.last else 1
    held = answer in TAKES or (answer is Answer.AWAY and lease.held)
    delay = _delay(answer, tries) * (0.5 + jitter / 2)
    return Step(Lease(answer, detail, tries, held), delay, _is_news(lease, answer, detail))


def _is_news(lease: Lease, answer: Answer, detail: str) -> bool:
    """A balancer that is away may be so for changing reasons; that it is gone or back is the news."""
    if answer in TAKES:
        return lease.last not in TAKES
    return answer is not lease.last or (answer is Answer.REFUSED and detail != lease.detail)


def _delay(answer: Answer, tries: int) -> float:
    if answer in (Answer.AWAY, Answer.JOINING):
        return min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(tries - 1, 10))
    return RENEW if answer is Answer.TAKEN else SLOW_RETRY
