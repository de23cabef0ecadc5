"""What an agent does next, and what it has to say, after each call to the balancer. Pure: no socket, no clock.

| the call | next one after | said once |
|---|---|---|
| took the lease | 1 s | the address |
| found nobody, or trouble on the other side | 50 ms, doubling to 1 s | that the balancer is away |
| was refused (token, certificate, address) | 10 s | what to do about it |
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

RENEW: Final = 1.0
FIRST_RETRY: Final = 0.05
LONGEST_RETRY: Final = 1.0
SLOW_RETRY: Final = 10.0


class Answer(Enum):
    """How a call went."""

    TAKEN = "taken"
    AWAY = "away"
    REFUSED = "refused"


@dataclass(frozen=True)
class Lease:
    """What the agent remembers: how the last call went, and how many in a row found nobody.

    `held` is whether the balancer has this worker, as far as can be known from here.
    """

    last: Answer | None = None
    detail: str = ""
    failures: int = 0
    held: bool = False


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
    failures = lease.failures + 1 if answer is Answer.AWAY else 0
    # A balancer that is away may be so for changing reasons; that it is back or gone is the news.
    news = answer is not lease.last or (answer is Answer.REFUSED and detail != lease.detail)
    held = answer is Answer.TAKEN or (answer is Answer.AWAY and lease.held)
    return Step(Lease(answer, detail, failures, held), _delay(answer, failures) * (0.5 + jitter / 2), news)


def _delay(answer: Answer, failures: int) -> float:
    if answer is Answer.AWAY:
        return min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 10))
    return RENEW if answer is Answer.TAKEN else SLOW_RETRY
