"""What came of a run, and what it was made on: as data, to be kept and compared."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from headrace.bench.machine import describe
from headrace.bench.rig import Effort
from headrace.bench.scenario import Row, Scenario
from headrace.bench.tools import H2LOAD, WRK


@dataclass(frozen=True)
class Outcome:
    """A run: when, where, with how much effort, of which versions, and its rows.

    `busy` is the share of the machine that others used just before.
    """

    when: str
    machine: Mapping[str, str]
    busy: float
    effort: Effort
    versions: Mapping[str, str]
    rows: Sequence[Row]

    @property
    def errors(self) -> list[str]:
        """What went wrong in any row."""
        return [error for row in self.rows for error in row.errors]

    def as_data(self) -> dict[str, object]:
        """The content of `results.json`."""
        return {
            "when": self.when,
            "machine": self.machine,
            "busy": round(self.busy, 3),
            "effort": asdict(self.effort),
            "versions": self.versions,
            "scenarios": [_row_as_data(row) for row in self.rows],
        }


def outcome(rows: Sequence[Row], effort: Effort, busy: float) -> Outcome:
    """The rows together with the time, the machine and the versions of what took part."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Outcome(now, describe(), busy, effort, _versions([row.scenario for row in rows]), rows)


def _versions(scenarios: Sequence[Scenario]) -> dict[str, str]:
    used = [tool for scenario in scenarios for each in scenario.contestants for tool in each.tools]
    return {tool.program: tool.version() for tool in dict.fromkeys([*used, WRK, H2LOAD]) if tool.path()}


def _row_as_data(row: Row) -> dict[str, object]:
    best = row.best_peer()
    return {
        "name": row.scenario.name,
        "title": row.scenario.title,
        "unit": row.scenario.unit,
        "target": row.scenario.target,
        "best_peer": best[0] if best else None,
        "missing": row.missing,
        "figures": {
            name: {
                "median": row.figure(name),
                "ratio": row.ratio(name),
                "rounds": [asdict(sample) for sample in samples],
            }
            for name, samples in row.samples.items()
        },
    }
