"""Horizontal bars as SVG, for light and dark pages alike: a panel for each piece of work, two side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

PANEL_WIDTH, GAP, MARGIN = 470, 28, 24
NAMES, LABELS = 108, 58  # the room for names left of the bars and for figures right of them
BAR, STEP, HEAD = 16, 24, 52
SCALE = PANEL_WIDTH - NAMES - LABELS

STYLE = """
svg { --back: #ffffff; --text: #1f2328; --soft: #656d76; --peer: #afb8c1; --ours: #0b7a75; --mark: #bc4c00; }
@media (prefers-color-scheme: dark) {
svg { --back: #0d1117; --text: #e6edf3; --soft: #8d96a0; --peer: #484f58; --ours: #2bb3a8; --mark: #f0883e; }
}
text { font: 13px system-ui, sans-serif; fill: var(--text); }
.back { fill: var(--back); } .title { font-weight: 600; } .unit { fill: var(--soft); font-size: 12px; }
.peer { fill: var(--peer); } .ours { fill: var(--ours); } .name, .figure { text-anchor: end; }
.spread { stroke: var(--text); stroke-width: 1.5; }
.target { stroke: var(--mark); stroke-dasharray: 4 3; stroke-width: 1.5; }
.wanted { fill: var(--mark); font-size: 12px; text-anchor: end; }
"""


@dataclass(frozen=True)
class Bar:
    """A contestant's figure, the least and the most of its rounds, and the figure as text."""

    name: str
    value: float
    low: float
    high: float
    label: str
    ours: bool = False


@dataclass(frozen=True)
class Panel:
    """The bars of one piece of work; `wanted` is the figure that would reach the target.

    Panels with the same `scale`, a figure that none exceeds, can be compared by eye.
    """

    title: str
    unit: str
    bars: Sequence[Bar]
    wanted: float | None = None
    scale: float = 0.0

    @property
    def height(self) -> int:
        """Pixels."""
        return HEAD + STEP * len(self.bars)


def chart(panels: Sequence[Panel]) -> str:
    """The panels in two columns, as the text of an SVG file.

    Example: `chart([Panel("HTTP/1.1", "µs", [Bar("headrace", 8.4, 8.2, 8.6, "8.4", ours=True)])])`.
    """
    drawn, bottom = [], MARGIN
    for left, right in _pairs(panels):
        drawn += [*_panel(left, MARGIN, bottom), *(_panel(right, MARGIN + PANEL_WIDTH + GAP, bottom) if right else ())]
        bottom += max(left.height, right.height if right else 0) + GAP
    width, height = 2 * (MARGIN + PANEL_WIDTH) + GAP, bottom - GAP + MARGIN
    size = f'width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size}>'
    style = f"<title>Results of headrace bench</title><style>{STYLE}</style>"
    return "\n".join([head, style, f'<rect class="back" {size} rx="8"/>', *drawn, "</svg>\n"])


def _pairs(panels: Sequence[Panel]) -> Iterator[tuple[Panel, Panel | None]]:
    for index in range(0, len(panels), 2):
        yield panels[index], panels[index + 1] if index + 1 < len(panels) else None


def _panel(panel: Panel, x: int, y: int) -> Iterator[str]:
    most = max([panel.wanted or 0.0, panel.scale, *(bar.high for bar in panel.bars)]) or 1.0
    scale = SCALE / most
    yield f'<g transform="translate({x} {y})">'
    yield f'<text class="title" y="14">{escape(panel.title)}</text>'
    yield f'<text class="unit" y="32">{escape(panel.unit)}</text>'
    for index, bar in enumerate(panel.bars):
        yield from _bar(bar, HEAD - 8 + index * STEP, scale)
    if panel.wanted is not None:
        at = NAMES + panel.wanted * scale
        yield f'<line class="target" x1="{at:.1f}" x2="{at:.1f}" y1="{HEAD - 14}" y2="{panel.height - 8}"/>'
        yield f'<text class="wanted" x="{PANEL_WIDTH}" y="32">- - target</text>'
    yield "</g>"


def _bar(bar: Bar, y: int, scale: float) -> Iterator[str]:
    length, middle = bar.value * scale, y + BAR // 2
    yield f'<text class="name" x="{NAMES - 8}" y="{y + 13}">{escape(bar.name)}</text>'
    kind = "ours" if bar.ours else "peer"
    yield f'<rect class="{kind}" x="{NAMES}" y="{y}" width="{max(length, 0):.1f}" height="{BAR}" rx="2"/>'
    low, high = NAMES + bar.low * scale, NAMES + bar.high * scale
    if high - low >= 1:
        yield f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
    yield f'<text class="figure" x="{PANEL_WIDTH}" y="{y + 13}">{escape(bar.label)}</text>'
