"""`headrace ingest status`."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import httpx

from headrace.cli.admin import answer
from headrace.cli.ingest.calls import call_options, service
from headrace.cli.options import Common, examples
from headrace.cli.output import as_json

EVERY: Final = 1.0  # seconds between two live lines
CLEAR: Final = "\r\x1b[K"  # to the line's begin, and nothing in it


@click.command(epilog=examples("headrace ingest status", "headrace ingest status --json"))
@call_options
def command(common: Common, admin: str | None, ca: Path | None) -> None:
    """Show rates, the queue, the oldest payload that hasn't landed, and what was refused.

    On a terminal the last line lives on, until Ctrl-C.
    """
    with service(common, admin, ca) as client:
        status = answer(client.get("/status"))
        if common.json:
            as_json(status)
            return
        click.echo("\n".join(f"{name:<10} {text}" for name, text in rows(status)))
        if sys.stdout.isatty():
            _live(client, status)


def rows(status: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is shown of a status, a name and words for each line."""
    yield "accepted", f"{status['accepted']:,}, {status['accepted_per_second']:,.0f} a second"
    yield "landed", f"{status['landed']:,}, {status['landed_per_second']:,.0f} a second"
    yield "queue", f"{status['queue']:,} of {status['queue_limit']:,}, the oldest {_age(status)}"
    yield "journal", f"{status['journal_bytes'] / 2**20:,.1f} MiB, {status['journal']}"
    yield "workers", f"{status['workers']}, {status['workers_busy']} of them busy"
    yield "uploads", f"{status['uploads']:,}, half within {_latency(status['upload_latency'])}"
    yield "requests", f"{status['requests']:,}, half answered within {_latency(status['latency'])}"
    yield "refused", _counted(status["refused"])
    yield "failed", _counted(status["failed_uploads"])
    yield "set aside", f"{status['set_aside']:,} since the start; files of dead letters: {status['dead_letters']:,}"
    if status["held"]:
        yield "HELD", status["held"]


def line(status: dict[str, Any]) -> str:
    """The same in one line, for a terminal."""
    held = f"  HELD: {status['held']}" if status["held"] else ""
    return (
        f"{status['accepted_per_second']:,.0f}/s in  {status['landed_per_second']:,.0f}/s landed  "
        f"queue {status['queue']:,}  oldest {_age(status)}  refused {sum(status['refused'].values()):,}{held}"
    )


def _live(client: httpx.Client, status: dict[str, Any]) -> None:
    while True:
        click.echo(CLEAR + line(status), nl=False)
        time.sleep(EVERY)
        status = answer(client.get("/status"))


def _age(status: dict[str, Any]) -> str:
    return f"{status['oldest_seconds']:,.1f} s old" if status["queue"] else "-"


def _latency(percentiles: dict[str, float]) -> str:
    half, most = (f"{percentiles[name] * 1000:,.1f} ms" for name in ("p50", "p99"))
    return f"{half}, 99 of 100 within {most}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
