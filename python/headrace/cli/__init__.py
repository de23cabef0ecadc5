"""The command line: a file for each verb, found when it is asked for, so that `headrace --help` is quick."""

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click

# Name and summary stand here and not in the verb's file, which would have to be imported to be listed.
VERBS = {
    "balance": "Run the load balancer.",
    "serve": "Run an ASGI or WSGI app, and register it with the balancer.",
    "servers": "List, drain and remove app servers.",
    "cache": "Run the cache that app servers share.",
    "purge": "Remove responses from the balancer's edge cache.",
    "ingest": "Take payloads, and land each once in a store.",
    "logs": "Follow and search what was logged.",
    "certs": "Show the local authority and its certificates.",
    "token": "Print the token of the admin port.",
    "settings": "Show the settings as they hold, or a sample file.",
    "bench": "Measure the balancer beside others.",
    "demo": "Run a blog behind the balancer.",
}


class VerbGroup(click.Group):
    """Finds each of `verbs` in `<package>.<verb>`, as the click command named `command`.

    Where none is named, and something else than help is asked for, `default` is meant.
    """

    def __init__(
        self,
        *,
        verbs: Mapping[str, str] = VERBS,
        package: str = __name__,
        default: str = "",
        **attributes: Any,  # noqa: ANN401 - click's
    ) -> None:
        super().__init__(**attributes)
        self._verbs = verbs
        self._package = package
        self._default = default

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs in the order in which a newcomer meets them."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, or wrong usage with the nearest name."""
        if cmd_name not in self._verbs:
            close = get_close_matches(cmd_name, self._verbs, n=1)
            hint = f"did you mean {close[0]}?" if close else f"see {ctx.command_path} --help"
            raise click.UsageError(f"no such verb: {cmd_name}; {hint}", ctx)
        command = importlib.import_module(f"{self._package}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default verb in where none is."""
        meant = self._default and (not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names))
        return super().parse_args(ctx, [self._default, *args] if meant else args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Lists the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(self._verbs.items()))


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's
    if wanted:
        from headrace._core import __version__  # noqa: PLC0415 - slow, and seldom needed

        click.echo(f"headrace {__version__}")
        ctx.exit()


EXAMPLES = """\b
Examples:
  headrace balance                                             # https://localhost:2000
  headrace serve shop:app --balancer https://127.0.0.1:2001   # joins it by itself
"""


@click.group(cls=VerbGroup, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
def group() -> None:
    """The scale-out kit for Python web apps: load balancer, app servers and what they need."""
