"""What a run says to people: tables with the ratio to the best peer and the target beside it."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from headrace.bench.chart import Bar, Panel, chart
from headrace.bench.outcome import Outcome
from headrace.bench.scenario import Row, Scenario
from headrace.bench.timeline import Line, timeline
from headrace.errors import OperationError

Table = tuple[list[str], list[list[str]]]


def tables(rows: Sequence[Row]) -> list[Table]:
    """Headings and lines; neighbouring rows with the same contestants share a table."""
    groups = itertools.groupby(rows, key=lambda row: [each.name for each in row.scenario.contestants])
    return [
        (["work", "unit", *names, "ratio", "target"], [_line(row, names) for row in group]) for names, group in groups
    ]


def _line(row: Row, names: Iterable[str]) -> list[str]:
    return [row.scenario.title, row.scenario.unit, *(cell(row, name) for name in names), _ratios(row), _verdict(row)]


def cell(row: Row, name: str) -> str:
    """The figure of a contestant, or why there is none."""
    if name in row.missing:
        return "missing"
    figure = row.figure(name)
    return "invalid" if figure is None else number(figure)


def number(figure: float) -> str:
    """Three digits or so: `8.43`, `11.6`, `464`, `10,718`."""
    size = abs(figure)
    return f"{figure:.2f}" if size < 10 else f"{figure:.1f}" if size < 100 else f"{figure:,.0f}"


def _ours(row: Row) -> list[float]:
    ratios = [row.ratio(each.name) for each in row.scenario.contestants if each.ours]
    return [ratio for ratio in ratios if ratio is not None]


def _ratios(row: Row) -> str:
    best = row.best_peer()
    return f"{', '.join(f'{ratio:.2f}' for ratio in _ours(row))} of {best[0]}" if best and _ours(row) else "-"


def _verdict(row: Row) -> str:
    """Whether the first of ours, which is the one with the default settings, reached the target or the limit.

    Where each of ours has a target of its own, it is told of each.
    """
    target, limit = row.scenario.target, row.scenario.limit
    own = [(each.name, each.target) for each in row.scenario.contestants if each.target is not None]
    if own:
        return "; ".join(f"{name} <= {most:.2f}{_reached(row.ratio(name), most)}" for name, most in own)
    if target is not None:
        return f"<= {target:.2f}{_reached(next(iter(_ours(row)), None), target)}"
    if limit is not None:
        ours = next((row.figure(each.name) for each in row.scenario.contestants if each.ours), None)
        return f"<= {number(limit)} {row.scenario.unit}{_reached(ours, limit)}"
    return "-"


def _reached(figure: float | None, most: float) -> str:
    return "" if figure is None else ", reached" if figure <= most else ", missed"


def remarks(rows: Sequence[Row]) -> list[str]:
    """What must be known about rows: programs that were missing, figures that don't count."""
    missing = {name: hint for row in rows for name, hint in row.missing.items()}
    return [
        *(f"missing: {name} ({hint})" for name, hint in missing.items()),
        *(f"invalid: {error}" for row in rows for error in row.errors),
    ]


def markdown(outcome: Outcome) -> str:
    """The whole report as a page."""
    parts = [
        "# Results of `headrace bench`",
        _circumstances(outcome),
        *("\n".join(_markdown_table(headings, lines)) for headings, lines in tables(outcome.rows)),
        "\n".join(f"- {remark}" for remark in remarks(outcome.rows)),
        "![the same as bars](results.svg)",
        *(f"![{name.removesuffix('.svg')} over time]({name})" for name in timelines(outcome.rows)),
        *(f"![{name.removesuffix('.svg')} beside the article]({name})" for name in beside(outcome.rows)),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in outcome.versions.items()) + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _circumstances(outcome: Outcome) -> str:
    machine, effort = outcome.machine, outcome.effort
    where = f"{outcome.when}, {machine['processor']}, {machine['cores']} cores, {machine['kernel']}"
    how = f"{effort.seconds} s for each figure, median of {effort.rounds} rounds; less is better"
    return f"{where}; others used {outcome.busy:.0%} of it just before; {how}."


def _markdown_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in [headings, ["---"] * len(headings), *lines]]


def panels(rows: Sequence[Row]) -> list[Panel]:
    """A panel of bars for each row."""
    return [Panel(row.scenario.title, row.scenario.unit, _bars(row), _wanted(row)) for row in rows]


def _bars(row: Row) -> list[Bar]:
    bars = []
    for each in row.scenario.contestants:
        values = [sample.value for sample in row.samples.get(each.name, ())]
        figure = row.figure(each.name)
        spread = (min(values), max(values)) if figure is not None else (0.0, 0.0)
        bars.append(Bar(each.name, figure or 0.0, *spread, label=cell(row, each.name), ours=each.ours))
    return bars


def _wanted(row: Row) -> float | None:
    """The figure that would reach the target or the limit."""
    if row.scenario.limit is not None:
        return row.scenario.limit
    best = row.best_peer()
    return row.scenario.target * best[1] if row.scenario.target and best else None


def beside(rows: Sequence[Row]) -> dict[str, str]:
    """The picture of each row that has figures of others beside it, by the name of its file."""
    return {f"{row.scenario.name}.svg": chart(_on_one_scale(row)) for row in rows if row.scenario.beside}


def _on_one_scale(row: Row) -> list[Panel]:
    both = [*panels([row]), _elsewhere(row.scenario)]
    most = max(bar.high for panel in both for bar in panel.bars)
    return [replace(panel, scale=most) for panel in both]


def _elsewhere(scenario: Scenario) -> Panel:
    bars = [Bar(name, value, value, value, number(value)) for name, value in scenario.beside.items()]
    return Panel("In the article", scenario.unit, bars)


def timelines(rows: Sequence[Row]) -> dict[str, str]:
    """The picture of each row that was watched over time, by the name of its file; of a contestant its last round."""
    return {f"{row.scenario.name}.svg": timeline(row.scenario.title, lines) for row in rows if (lines := _lines(row))}


def _lines(row: Row) -> dict[str, list[Line]]:
    lines: dict[str, list[Line]] = {}
    for each in row.scenario.contestants:
        for sample in row.samples.get(each.name, ())[-1:]:
            for figure, points in sample.series.items():
                lines.setdefault(figure, []).append(Line(each.name, points, each.ours))
    return lines


def write_results(outcome: Outcome, folder: Path) -> list[Path]:
    """Writes `results.json`, `results.md`, `results.svg`, and as `SCENARIO.svg` what has a picture of its own.

    Raises `OperationError` when it can't.
    """
    contents = {
        "results.json": json.dumps(outcome.as_data(), indent=1, ensure_ascii=False) + "\n",
        "results.md": markdown(outcome),
        "results.svg": chart(panels(outcome.rows)),
        **timelines(outcome.rows),
        **beside(outcome.rows),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_text(content, "utf-8")
    except OSError as error:
        raise OperationError(f"cannot write the results to {folder}: {error.strerror}") from error
    return [folder / name for name in contents]
