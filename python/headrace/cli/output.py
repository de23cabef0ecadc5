"""What verbs print: results to stdout, everything else to stderr."""

import json
from collections.abc import Sequence

import click


def progress(text: str) -> None:
    """A line for whoever watches; never in the way of what a program reads from stdout."""
    click.echo(text, err=True)


def as_json(value: object) -> None:
    """`value` on one line."""
    click.echo(json.dumps(value))


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns, numbers to the right.

    Example: `table(["ID", "REQUESTS"], [["a", 12]])`.
    """
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    right = [any(rows) and all(isinstance(row[at], int | float) for row in rows) for at in range(len(headings))]
    lines = [_line(cells, widths, right) for cells in [list(headings), *texts]]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()
