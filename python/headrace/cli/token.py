"""`headrace token`."""

import click

from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json


@click.command(
    epilog=examples(
        'curl --cacert "$(headrace certs ca)" -H "Authorization: Bearer $(headrace token)" \\',
        "  https://127.0.0.1:2001/servers",
    )
)
@common_options
def command(common: Common) -> None:
    """Print the token of the admin port; one is made when there is none yet."""
    token = common.state.token(create=True)
    if common.json:
        as_json({"token": token})
    else:
        click.echo(token)
