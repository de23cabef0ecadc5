"""What clients sent, what they were told of it, and whether what landed agrees.

The rule, for whatever happened in between:
- what was accepted landed exactly once, with the contents that were sent;
- what was refused, and never given to a connection that broke, didn't land;
- of a collection that nobody answered, all payloads landed once or none did;
- nothing landed that wasn't sent.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any

LETTERS = 'abcdef  0123456789"\\/\n\u00e9\u20ac\U0001f40c'  # what a careless reader or writer of lines stumbles over
LARGE = 20_000  # letters; more than a page of the journal


class Fate(Enum):
    REFUSED = "refused"  # or not sent at all
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"


@dataclass
class Collection:
    """Payloads that were posted together; with a key, again and again until they were accepted."""

    number: int
    payloads: list[dict[str, Any]]
    key: str | None
    fate: Fate = Fate.REFUSED

    def answered(self, status: int) -> None:
        if status == 200:
            self.fate = Fate.ACCEPTED

    def unanswered(self) -> None:
        if self.fate is Fate.REFUSED:
            self.fate = Fate.UNKNOWN


@dataclass(frozen=True)
class Verdict:
    """What isn't as the rule wants it: numbers of collections, names of payloads. An empty verdict is a good one."""

    missing: list[int] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    divided: list[int] = field(default_factory=list)


class Ledger:
    """Gives out collections to clients, in any thread, and judges what came of them."""

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)
        self._lock = threading.Lock()
        self.collections: list[Collection] = []

    def collection(self, *, keyed: bool) -> Collection:
        with self._lock:
            number = len(self.collections)
            payloads = [self._payload(f"{number}-{place}") for place in range(self._random.randint(1, 5))]
            made = Collection(number, payloads, f"key-{number}" if keyed else None)
            self.collections.append(made)
            return made

    def count(self, fate: Fate) -> int:
        return sum(made.fate is fate for made in list(self.collections))

    def judge(self, landed: Sequence[Any]) -> Verdict:
        found = Counter(map(_id, landed))
        sent = {payload["id"]: (made, payload) for made in self.collections for payload in made.payloads}
        return Verdict(
            missing=[made.number for made in self.collections if _is_missing(made, found)],
            repeated=[name for name, times in found.items() if times > 1],
            refused=[name for name in found if name in sent and sent[name][0].fate is Fate.REFUSED],
            strange=[_id(payload) for payload in landed if sent.get(_id(payload), (None, None))[1] != payload],
            divided=[made.number for made in self.collections if 0 < _landed(made, found) < len(made.payloads)],
        )

    def _payload(self, name: str) -> dict[str, Any]:
        length = LARGE if self._random.random() < 0.02 else self._random.randrange(400)
        return {"id": name, "text": "".join(self._random.choices(LETTERS, k=length))}


def _landed(made: Collection, found: Counter[str]) -> int:
    return sum(payload["id"] in found for payload in made.payloads)


def _is_missing(made: Collection, found: Counter[str]) -> bool:
    return made.fate is Fate.ACCEPTED and _landed(made, found) < len(made.payloads)


def _id(payload: Any) -> str:
    return str(payload["id"]) if isinstance(payload, dict) and "id" in payload else repr(payload)
