"""Which of several servers has a key: the one that scores highest for it.

Every program comes to the same answer from the servers' names alone, whatever their order. A server that goes takes
only its own keys with it; one that comes takes an equal share from each. (Thaler and Ravishankar, "A name-based mapping
scheme for rendezvous", 1996.)
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

MASK: Final = (1 << 64) - 1


def digest(text: str) -> int:
    """64 bits of a text."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def place(key: str, seeds: Sequence[int]) -> int:
    """The index of the server of `key`; `seeds` are the servers' names, each as its `digest`.

    Example: `place("post:3", [digest("https://10.0.0.1:5000"), digest("https://10.0.0.2:5000")])`.
    """
    hashed = digest(key)
    scores = [_mixed(hashed ^ seed) for seed in seeds]
    return scores.index(max(scores))


def _mixed(number: int) -> int:
    """The finaliser of splitmix64: each bit of the number changes each bit of the result half of the time."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & MASK
    return number ^ (number >> 31)
