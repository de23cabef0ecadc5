"""Draws what the busiest programs did, by SQL over what has landed.

Example: `python examples/machine/plot.py ./landed machine.svg`.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from headrace.ingest.query import query

BUSIEST = """
    WITH used AS (SELECT name, sampled, sum(cpu) AS cores FROM payloads WHERE kind = 'process' GROUP BY ALL),
         busiest AS (SELECT name FROM used GROUP BY name ORDER BY sum(cores) DESC, name LIMIT 5)
    SELECT name, floor(sampled) AS moment, avg(cores) FROM used SEMI JOIN busiest USING (name) GROUP BY ALL ORDER BY ALL
"""
COLOURS = ("#0b7a75", "#bc4c00", "#6639ba", "#0969da", "#9a6700")  # told apart by eyes that see fewer colours, too
WIDTH, HEIGHT, MARGIN, LEGEND = 900, 320, 48, 180  # pixels
STYLE = """
svg { --back: #ffffff; --text: #1f2328; --soft: #656d76; }
@media (prefers-color-scheme: dark) { svg { --back: #0d1117; --text: #e6edf3; --soft: #8d96a0; } }
text { font: 13px system-ui, sans-serif; fill: var(--text); } .soft { fill: var(--soft); }
.back { fill: var(--back); } .axis { stroke: var(--soft); } polyline { fill: none; stroke-width: 2; }
"""

Points = Sequence[tuple[float, float]]


def series(landed: str) -> dict[str, Points]:
    """Cores over time (seconds since 1970) of each of the busiest programs; seconds without a sample were idle."""
    used: dict[str, dict[float, float]] = defaultdict(dict)
    for name, at, cores in query(landed, BUSIEST).rows:
        used[name][at] = cores
    times = sorted({at for points in used.values() for at in points})
    return {name: [(at, points.get(at, 0.0)) for at in times] for name, points in used.items()}


def draw(lines: dict[str, Points]) -> str:
    """The lines as the text of an SVG file."""
    times = [at for points in lines.values() for at, _ in points]
    most = max((cores for points in lines.values() for _, cores in points), default=0.0) or 1.0
    first, span = min(times, default=0.0), (max(times, default=0.0) - min(times, default=0.0)) or 1.0
    right, bottom = WIDTH - LEGEND, HEIGHT - MARGIN

    def place(at: float, cores: float) -> str:
        x = MARGIN + (at - first) / span * (right - MARGIN)
        return f"{x:.1f},{bottom - cores / most * (bottom - MARGIN):.1f}"

    drawn = [*_frame(most, span, right, bottom)]
    for colour, row, (name, points) in zip(COLOURS, range(len(lines)), lines.items(), strict=False):
        path = " ".join(place(at, cores) for at, cores in points)
        drawn.append(f'<polyline points="{path}" stroke="{colour}"/>')
        drawn.append(f'<rect x="{right + 20}" y="{MARGIN + row * 24 - 10}" width="12" height="12" fill="{colour}"/>')
        drawn.append(f'<text x="{right + 40}" y="{MARGIN + row * 24}">{escape(name)}</text>')
    body = "\n".join(drawn)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><style>{STYLE}</style>'
    return f"{head}\n{body}\n</svg>\n"


def _frame(most: float, span: float, right: int, bottom: int) -> Iterator[str]:
    yield f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>'
    yield f'<text x="{MARGIN}" y="24">CPU of the busiest programs</text>'
    yield f'<polyline class="axis" points="{MARGIN},{MARGIN} {MARGIN},{bottom} {right},{bottom}"/>'
    yield f'<text class="soft" x="{MARGIN - 40}" y="{MARGIN + 4}">{most:.1f}</text>'
    yield f'<text class="soft" x="{MARGIN - 40}" y="{bottom + 4}">cores</text>'
    yield f'<text class="soft" x="{right}" y="{bottom + 20}" text-anchor="end">{span:.0f} s</text>'


def main() -> None:
    """Ask and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("landed", help="what --to of headrace ingest was")
    parser.add_argument("plot", type=Path, help="the SVG file to write")
    options = parser.parse_args()
    lines = series(options.landed)
    options.plot.write_text(draw(lines), "utf-8")
    print(f"{options.plot}: {', '.join(lines)}")


if __name__ == "__main__":
    main()
