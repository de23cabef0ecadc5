"""`headrace purge`: what is in the edge cache goes, or counts as stale."""

from pathlib import Path

import click

from headrace.cli.admin import admin_client, answer
from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json
from headrace.errors import UsageError


@click.command(
    epilog=examples(
        "headrace purge --tag posts",
        "headrace purge --key https://blog.example/posts/3",
        "headrace purge --prefix https://blog.example/posts/ --soft",
    )
)
@click.option("--key", metavar="URL", help="The response to this URL, with all its variants.")
@click.option("--tag", metavar="TAG", help="All responses with this tag.")
@click.option("--prefix", metavar="URL", help="All responses whose URL begins so.")
@click.option("--soft", is_flag=True, help="Make them stale: they are asked about, and cover for errors.")
@click.option("--balancer", metavar="URL", help="The admin port.  [default: the settings' admin address]")
@click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="Authority of the admin port.")
@common_options
def command(
    common: Common,
    key: str | None,
    tag: str | None,
    prefix: str | None,
    balancer: str | None,
    ca: Path | None,
    *,
    soft: bool,
) -> None:
    """Remove responses from the balancer's edge cache."""
    what = {name: value for name, value in (("key", key), ("tag", tag), ("prefix", prefix)) if value is not None}
    if len(what) != 1:
        raise UsageError("give one of --key, --tag and --prefix")
    with admin_client(common, balancer, ca) as client:
        result = answer(client.post("/cache/purge", params={**what, "soft": "1" if soft else "0"}))
    if common.json:
        as_json(result)
    else:
        click.echo(f"{result['purged']} {'made stale' if soft else 'removed'}")
