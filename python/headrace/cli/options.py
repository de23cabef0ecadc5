"""The options that every verb has, collected into one object."""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from headrace.state import StateFolder

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Common:
    """What `--state`, `--settings`, `--log-level` and `--json` said."""

    state_flag: Path | None
    settings_file: Path | None
    log_level: str
    json: bool

    @property
    def state(self) -> StateFolder:
        """The state folder; made when it is first asked for, as not every verb needs one."""
        return StateFolder.at(self.state_flag)


def examples(*lines: str) -> str:
    """Gives the epilog of a verb: `@click.command(epilog=examples("headrace token"))`."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def common_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the common options to a verb, whose function receives them as `common`.

    Example:
        @click.command(epilog=examples("headrace serve shop:app"))
        @click.option("--port", type=int)
        @common_options
        def command(common: Common, port: int | None) -> None: ...
    """

    @click.option("--state", type=click.Path(path_type=Path), metavar="DIR", help="Folder for what is remembered.")
    @click.option("--settings", type=click.Path(path_type=Path), metavar="FILE", help="Read FILE, not headrace.toml.")
    @click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
    @click.option("--json", is_flag=True, help="Machine-readable output.")
    @functools.wraps(function)
    def with_common(
        *, state: Path | None, settings: Path | None, log_level: str, json: bool, **options: object
    ) -> None:
        logging.basicConfig(
            level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
        )
        # The libraries' news of each request is ours to tell, not theirs.
        for library in ("httpx", "httpcore", "asyncio"):
            logging.getLogger(library).setLevel(max(logging.WARNING, logging.root.level))
        function(common=Common(state, settings, log_level, json), **options)

    return with_common
