"""Runs scenarios: peers in turn in each round, so that a disturbance of the machine hits all of them alike."""

from collections.abc import Callable, Sequence

from headrace.bench.rig import Rig
from headrace.bench.scenario import Contestant, Row, Sample, Scenario
from headrace.errors import OperationError


def contest(scenarios: Sequence[Scenario], rig: Rig, say: Callable[[str], None]) -> list[Row]:
    """Measures every scenario; `say` receives a line for each figure."""
    return [_row(scenario, rig, say) for scenario in scenarios]


def _row(scenario: Scenario, rig: Rig, say: Callable[[str], None]) -> Row:
    missing = {each.name: hint for each in scenario.contestants if (hint := _missing(each))}
    present = [each for each in scenario.contestants if each.name not in missing]
    samples: dict[str, list[Sample]] = {each.name: [] for each in present}
    for _ in range(rig.effort.rounds):
        for each in present:
            sample = _sample(each, rig)
            samples[each.name].append(sample)
            say(f"{scenario.name:12} {each.name:20} {_told(sample, scenario.unit)}")
    return Row(scenario, samples, missing)


def _missing(contestant: Contestant) -> str:
    """What to do about a program that is not there; empty when all are."""
    return ", ".join(dict.fromkeys(tool.source for tool in contestant.tools if tool.path() is None))


def _sample(contestant: Contestant, rig: Rig) -> Sample:
    """One that cannot be measured must not end the run of the others."""
    try:
        return contestant.measure(rig)
    except OperationError as error:
        return Sample(0.0, failure=str(error))


def _told(sample: Sample, unit: str) -> str:
    if sample.failure:
        return f"failed: {sample.failure}"
    errors = f"  {sample.errors} errors" if sample.errors else ""
    return f"{sample.value:10.1f} {unit}{errors}  {sample.note}".rstrip()
