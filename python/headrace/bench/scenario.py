"""The words of the bench: a scenario compares contestants, each measurement gives a sample, all of them a row."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.bench.rig import Rig
from headrace.bench.tools import Tool


@dataclass(frozen=True)
class Sample:
    """One measured figure in the scenario's unit; with errors, or failed for a reason, it counts for nothing.

    `series` is what was seen meanwhile: by what it is (`"memory, MiB"`) the points (seconds, value).
    """

    value: float
    errors: int = 0
    note: str = ""
    failure: str = ""
    series: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)

    @property
    def valid(self) -> bool:
        """Whether everything went well while it was measured."""
        return not self.errors and not self.failure


@dataclass(frozen=True)
class Contestant:
    """Who is measured, how, and what must be installed for it; `ours` are compared with the best of the others.

    `target` is the wanted ratio of this one, where each of ours has its own.
    """

    name: str
    tools: tuple[Tool, ...]
    measure: Callable[[Rig], Sample]
    ours: bool = False
    target: float | None = None


@dataclass(frozen=True)
class Scenario:
    """A piece of work and what it is measured in; less is better.

    `target` is the wanted ratio of ours to the best peer, or to the best of those that `against` names; `limit` is the
    most that ours may be. `beside` are figures of others, made elsewhere, that are drawn beside ours.
    """

    name: str
    title: str
    unit: str
    contestants: tuple[Contestant, ...]
    target: float | None = None
    against: tuple[str, ...] = ()
    limit: float | None = None
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """What came of a scenario: samples by contestant, and how to get those that are missing."""

    scenario: Scenario
    samples: Mapping[str, Sequence[Sample]]
    missing: Mapping[str, str]

    def figure(self, name: str) -> float | None:
        """The median over rounds; None when it is missing or not valid."""
        samples = self.samples.get(name, ())
        if not samples or not all(sample.valid for sample in samples):
            return None
        return statistics.median(sample.value for sample in samples)

    def best_peer(self) -> tuple[str, float] | None:
        """The name and figure of the best that ours is compared with."""
        others = [each.name for each in self.scenario.contestants if not each.ours]
        figures = [(name, self.figure(name)) for name in self.scenario.against or others]
        known = [(name, figure) for name, figure in figures if figure is not None]
        return min(known, key=lambda pair: pair[1], default=None)

    def ratio(self, name: str) -> float | None:
        """The figure of `name` divided by the best peer's; None when one of them is not known."""
        ours, best = self.figure(name), self.best_peer()
        return ours / best[1] if ours is not None and best else None

    @property
    def errors(self) -> list[str]:
        """What went wrong, a line for each contestant it went wrong for."""
        lines = []
        for name, samples in self.samples.items():
            count = sum(sample.errors for sample in samples)
            reasons = {sample.failure for sample in samples if sample.failure} | (
                {f"{count} errors"} if count else set()
            )
            lines += [f"{self.scenario.name}: {name}: {reason}" for reason in sorted(reasons)]
        return lines
