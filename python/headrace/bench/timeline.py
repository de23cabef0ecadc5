"""Lines over time as SVG, for light and dark pages alike: a panel for each figure, a line for each contestant."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from headrace.bench.chart import GAP, MARGIN, STYLE

WIDTH, HEIGHT, HEAD = 760, 190, 34
LABELS = 130  # the room for names right of the lines
DECADES = 100  # from this ratio of the most to the least on, a figure is drawn by its logarithm
FLOOR = 1.0  # the least that has a logarithm worth drawing
LINE_STYLE = """
.line { fill: none; stroke: var(--text); stroke-width: 1.5; } .line.ours { stroke: var(--ours); stroke-width: 2.5; }
.line.peer { fill: none; } .axis { stroke: var(--peer); } .tick { fill: var(--soft); font-size: 12px; }
.label { font-size: 12px; }
"""
DASHES = ("", "6 3", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Line:
    """A contestant's points: seconds and the figure's value."""

    name: str
    points: Sequence[tuple[float, float]]
    ours: bool = False


def timeline(title: str, panels: Mapping[str, Sequence[Line]]) -> str:
    """The panels one below the other, as the text of an SVG file.

    Example: `timeline("Soak", {"memory, MiB": [Line("headrace", [(0.0, 80.0), (1.0, 81.0)], ours=True)]})`.
    """
    height = len(panels) * (HEAD + HEIGHT + GAP) + 2 * MARGIN + HEAD
    size = f'width="{WIDTH + LABELS + 2 * MARGIN}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f"<title>{escape(title)}</title><style>{STYLE}{LINE_STYLE}</style>",
        f'<rect class="back" {size} rx="8"/>',
        f'<text class="title" x="{MARGIN}" y="{MARGIN + 14}">{escape(title)}</text>',
    ]
    for index, (figure, lines) in enumerate(panels.items()):
        top = MARGIN + HEAD + index * (HEAD + HEIGHT + GAP)
        parts += [f'<g transform="translate({MARGIN} {top})">', *_panel(figure, lines), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _panel(figure: str, lines: Sequence[Line]) -> Iterator[str]:
    values = [value for line in lines for _, value in line.points]
    end = max((at for line in lines for at, _ in line.points), default=0.0) or 1.0
    scale = _Scale.over(values)
    yield f'<text class="unit" y="14">{escape(figure)}{", logarithmic" if scale.logarithmic else ""}</text>'
    for value in scale.ticks():
        y = HEAD + HEIGHT - scale.share(value) * HEIGHT
        yield f'<line class="axis" x1="0" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="0" y="{y - 3:.1f}">{value:,.0f}</text>'
    yield f'<text class="tick" x="{WIDTH}" y="{HEAD + HEIGHT + 14}" text-anchor="end">{end:,.0f} s</text>'
    taken: list[float] = []
    for index, line in enumerate(line for line in lines if line.points):
        places = [(at / end * WIDTH, HEAD + HEIGHT - scale.share(value) * HEIGHT) for at, value in line.points]
        kind = "ours" if line.ours else "peer"
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dashes = DASHES[index % len(DASHES)]
        yield f'<polyline class="line {kind}" stroke-dasharray="{dashes or "none"}" points="{drawn}"/>'
        beside = _free(places[-1][1] + 4, taken)
        yield f'<text class="label" x="{WIDTH + 6}" y="{beside:.1f}">{escape(line.name)}</text>'


def _free(y: float, taken: list[float]) -> float:
    """The nearest place below for a label that covers no other."""
    while any(abs(y - other) < 14 for other in taken):
        y += 2
    taken.append(y)
    return y


@dataclass(frozen=True)
class _Scale:
    """From values to shares of the height."""

    most: float
    logarithmic: bool

    @classmethod
    def over(cls, values: Sequence[float]) -> "_Scale":
        most = max([FLOOR, *values])
        least = max(FLOOR, min(values, default=FLOOR))
        return cls(most, most / least > DECADES)

    def share(self, value: float) -> float:
        if self.logarithmic:
            return math.log10(max(value, FLOOR)) / math.log10(self.most)
        return value / self.most

    def ticks(self) -> list[float]:
        if self.logarithmic:
            return [10.0**decade for decade in range(int(math.log10(self.most)) + 1)]
        return [0.0, self.most / 2, self.most]
