"""`headrace bench`."""

import click

from headrace.bench.contest import contest
from headrace.bench.proxied import SCENARIOS
from headrace.bench.rig import QUICK, Effort, Target, rig
from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import progress


@click.command(epilog=examples("headrace bench", "headrace bench http1 tls --seconds 2"))
@click.argument("scenario", nargs=-1, type=click.Choice([each.name for each in SCENARIOS]))
@click.option("--seconds", type=click.IntRange(1, 60), default=4)
@click.option("--rounds", type=click.IntRange(1, 20), default=2)
@click.option("--quick", is_flag=True)
@click.option("--peers", default="")
@click.option("--attach", multiple=True, metavar="PID=URL")
@click.option("--backend", type=int, default=0)
@common_options
def command(common, scenario, seconds, rounds, quick, peers, attach, backend):
    """Measure."""
    import dataclasses
    attached = {}
    for text in attach:
        pid, url = text.split("=", 1)
        attached[url.split(":")[0]] = Target(int(pid), url.rstrip("/") + "/")
    effort = QUICK if quick else Effort(seconds, rounds)
    chosen = [each for each in SCENARIOS if not scenario or each.name in scenario]
    if peers:
        names = peers.split(",")
        chosen = [dataclasses.replace(s, contestants=tuple(c for c in s.contestants if c.name in names)) for s in chosen]
    with rig(effort, backend=backend, attached=attached) as stand:
        progress(f"backend on 127.0.0.1:{stand.backend}")
        rows = contest(chosen, stand, progress)
    for row in rows:
        print(row.scenario.name, {n: row.figure(n) for n in row.samples}, "best", row.best_peer(), "ratio", row.ratio("headrace"), row.errors, row.missing)
