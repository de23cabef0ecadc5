"""`headrace servers`: the operator's eye and hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx

from headrace.cli.admin import admin_client, answer
from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json, table
from headrace.errors import UsageError

NEWS_WITHIN = 60.0  # seconds; the balancer gives a sign of life more often

HEADINGS = ("ID", "ADDRESS", "STATE", "IN FLIGHT", "REQUESTS", "FAILURES", "P50 MS", "P99 MS", "LEASE", "REASON")


class ListByDefault(click.Group):
    """`headrace servers --json` is `headrace servers list --json`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default verb in where none is."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named or (args and not args[0].startswith("-")) else ["list", *args])


@click.group(
    cls=ListByDefault,
    epilog=examples("headrace servers", "headrace servers drain s2", "headrace servers watch"),
)
def command() -> None:
    """List, drain and remove app servers. SERVER is an id (s2) or an address (127.0.0.1:3000)."""


def _call_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add where the balancer is."""
    for option in (
        click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="Authority of the admin port."),
        click.option("--balancer", metavar="URL", help="The admin port.  [default: the settings' admin address]"),
    ):
        function = option(function)
    return common_options(function)


@command.command("list", epilog=examples("headrace servers list", "headrace servers list --json"))
@_call_options
def list_servers(common: Common, balancer: str | None, ca: Path | None) -> None:
    """List app servers, and those that left lately (the default)."""
    with admin_client(common, balancer, ca) as client:
        servers = answer(client.get("/servers"))
    if common.json:
        as_json(servers)
    elif servers:
        click.echo(table(HEADINGS, [_row(server) for server in servers]))
    else:
        click.echo("no app servers; start one with: headrace serve APP --balancer URL")


@command.command(epilog=examples("headrace servers drain s2"))
@click.argument("server")
@_call_options
def drain(common: Common, server: str, balancer: str | None, ca: Path | None) -> None:
    """Send a server no new requests until it is undrained."""
    _act(common, balancer, ca, server, lambda client, path: client.post(f"{path}/drain"))


@command.command(epilog=examples("headrace servers undrain s2"))
@click.argument("server")
@_call_options
def undrain(common: Common, server: str, balancer: str | None, ca: Path | None) -> None:
    """Let a drained server in again."""
    _act(common, balancer, ca, server, lambda client, path: client.post(f"{path}/undrain"))


@command.command(epilog=examples("headrace servers remove 127.0.0.1:3000"))
@click.argument("server")
@_call_options
def remove(common: Common, server: str, balancer: str | None, ca: Path | None) -> None:
    """Forget a server at once; one that is alive registers again."""
    _act(common, balancer, ca, server, lambda client, path: client.delete(path))


@command.command(epilog=examples("headrace servers watch", "headrace servers watch --json"))
@_call_options
def watch(common: Common, balancer: str | None, ca: Path | None) -> None:
    """Print every change as it happens."""
    with (
        admin_client(common, balancer, ca) as client,
        client.stream("GET", "/events", timeout=NEWS_WITHIN) as response,
    ):
        if response.is_error:
            response.read()
            answer(response)
        for line in response.iter_lines():
            if line.startswith("data: "):
                _print_change(common, json.loads(line.removeprefix("data: ")))


def _print_change(common: Common, change: dict[str, Any]) -> None:
    if common.json:
        as_json(change)
    elif "state" in change:
        click.echo(f"{change['since']}  {change['id']}  {change['address']}  {change['state']}: {change['reason']}")
    else:
        click.echo(change.get("detail", change))


def _act(
    common: Common,
    balancer: str | None,
    ca: Path | None,
    server: str,
    call: Callable[[httpx.Client, str], httpx.Response],
) -> None:
    with admin_client(common, balancer, ca) as client:
        record = answer(call(client, f"/servers/{_id_of(client, server)}"))
    if common.json:
        as_json(record)
    else:
        click.echo(f"{record['id']} at {record['address']} is {record['state']}, {record['in_flight']} in flight")


def _id_of(client: httpx.Client, server: str) -> str:
    """The id that is meant; of several servers that were at an address, the one that is there now."""
    servers = answer(client.get("/servers"))
    found = [s["id"] for s in servers if server == s["id"] or (server == s["address"] and s["state"] != "gone")]
    if not found:
        raise UsageError(f"there is no server {server}", hint="`headrace servers` lists them")
    return str(found[-1])


def _row(server: dict[str, Any]) -> tuple[object, ...]:
    latency = server["latency"]
    lease = "-" if server["lease_age"] is None else f"{server['lease_age']:.1f}s"
    return (
        server["id"],
        server["address"],
        server["state"] + (" (held)" if server["held"] else ""),
        server["in_flight"],
        server["requests"],
        server["failures"],
        round(latency["p50"] * 1000, 1),
        round(latency["p99"] * 1000, 1),
        lease,
        server["reason"],
    )
