"""`headrace bench`."""

import dataclasses
import signal
from collections.abc import Sequence
from pathlib import Path

import click

from headrace.bench.contest import contest
from headrace.bench.machine import BUSY, busy_share
from headrace.bench.outcome import Outcome, outcome
from headrace.bench.report import remarks, tables, write_results
from headrace.bench.rig import QUICK, Effort, Target, rig
from headrace.bench.scenario import Scenario
from headrace.bench.scenarios import SCENARIOS
from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json, progress, table
from headrace.errors import OperationError, UsageError

HELP = """Measure headrace beside nginx, HAProxy, h2o, Caddy and others of their kind.

Each runs alone on one core, load and backend on another. What a figure means: docs/bench.md.

\b
SCENARIO, one or more of these, or all:
  http1, tls, http2                a small response
  large, large-tls, large-http2    a response of 1 MB
  idle       memory of an idle TLS connection
  latency    what is added to the 99th percentile at half load
  servers    a thousand servers against two
  stack      everything between the browser and an app
  ingest, ingest-latency   a POST of 3 payloads, synced before the reply
  ingest-landing           the same until all has landed
  ingest-objects           an object for each payload
  ingest-durable           a durable acknowledgement, beside NATS JetStream
  ingest-shapes            more payloads than can be uploaded, over time
  ingest-soak              memory and queue while it lands, over time
  logs-handler             what a handler adds to a log call
  logs-handler-tail        the longest of them
  logs-batches, logs-syslog, logs-single   a log entry until it is in the file
  logs-rate                as many of them as one core takes
  cache-decorator, cache-decorator-async   a call of a decorated function, its value in memory
  cache-get                a value of 1 KB at the cache server
  cache-client, cache-client-cpu     a get of it from Python, beside redis-py
  cache-apart, cache-apart-cpu       the same from another core than the server's
  cache-aclient, cache-aclient-cpu   the same by 50 tasks of an event loop
"""
DEFAULT = Effort()
CONTESTANTS = tuple(dict.fromkeys(each.name for scenario in SCENARIOS for each in scenario.contestants))


@click.command(
    help=HELP,
    epilog=examples(
        "headrace bench --quick",
        "headrace bench http1 tls --peers headrace,nginx --seconds 2",
        "headrace bench --results bench/results",
    ),
)
@click.argument("scenario", nargs=-1, metavar="[SCENARIO]...", type=click.Choice([each.name for each in SCENARIOS]))
@click.option(
    "--seconds",
    type=click.IntRange(1, 3600),
    metavar="N",
    default=DEFAULT.seconds,
    show_default=True,
    help="Of load for each figure.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 20),
    metavar="N",
    default=DEFAULT.rounds,
    show_default=True,
    help="Over all peers; the median counts.",
)
@click.option("--quick", is_flag=True, help="One short round; it shows that all works, not how fast.")
@click.option("--peers", metavar="A,B", help=f"Only these of {', '.join(CONTESTANTS)}.")
@click.option("--results", type=click.Path(path_type=Path), metavar="DIR", help="Write results.json, .md and .svg.")
@click.option("--attach", multiple=True, metavar="PID=URL", help="Measure a running proxy in place of headrace.")
@click.option(
    "--backend",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=0,
    help="Of the server behind; a free one by default.",
)
@common_options
def command(
    common: Common,
    scenario: Sequence[str],
    seconds: int,
    rounds: int,
    quick: bool,  # noqa: FBT001 - click's
    peers: str | None,
    results: Path | None,
    attach: Sequence[str],
    backend: int,
) -> None:
    """Measure headrace beside the others."""
    # Ended by a signal, it still ends all that it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    effort = QUICK if quick else Effort(seconds, rounds)
    scenarios = [each for each in SCENARIOS if not scenario or each.name in scenario]
    if peers:
        scenarios = _among(scenarios, peers.split(","))
    attached = [_target(text) for text in attach]
    busy = busy_share()
    if busy > BUSY:
        progress(f"others use {busy:.0%} of this machine: expect figures that are too large and that scatter")
    with rig(effort, backend=backend, attached=attached) as stand:
        done = outcome(contest(scenarios, stand, progress), effort, busy)
    _show(done, json=common.json)
    if results:
        progress("written: " + ", ".join(map(str, write_results(done, results))))
    if done.errors:
        raise OperationError(f"{len(done.errors)} figures are invalid", hint="the lines above say why")


def _among(scenarios: Sequence[Scenario], names: Sequence[str]) -> list[Scenario]:
    """The scenarios with only those contestants, without the ones that are left with none."""
    if unknown := [name for name in names if name not in CONTESTANTS]:
        raise UsageError(f"--peers: there is no {unknown[0]}", hint=f"choose from {', '.join(CONTESTANTS)}")
    fewer = [
        dataclasses.replace(scenario, contestants=tuple(each for each in scenario.contestants if each.name in names))
        for scenario in scenarios
    ]
    return [scenario for scenario in fewer if scenario.contestants]


def _target(text: str) -> Target:
    pid, equals, url = text.partition("=")
    if not (equals and pid.isdecimal() and url.startswith(("http://", "https://"))):
        raise UsageError(f"--attach {text}: not PID=URL", hint="write --attach 1234=http://127.0.0.1:2000")
    return Target(int(pid), url.rstrip("/") + "/")


def _show(done: Outcome, *, json: bool) -> None:
    if json:
        as_json(done.as_data())
        return
    for headings, lines in tables(done.rows):
        click.echo(table([heading.upper() for heading in headings], lines) + "\n")
    for remark in remarks(done.rows):
        click.echo(remark)
