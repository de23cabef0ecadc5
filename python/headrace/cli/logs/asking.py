"""What the verbs that read logs have in common: which entries, where the collector is, and how entries are printed."""

import functools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from headrace.cli.options import Common, common_options
from headrace.cli.output import as_json, progress
from headrace.logs.destination import destination
from headrace.logs.display import shown
from headrace.logs.reader import Entry, Reader, Wanted
from headrace.settings import LogsSettings, load


def asking_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the filters and where the collector is; the verb's function receives `common`, `wanted` and `reader`."""

    @functools.wraps(function)
    def with_wanted(
        *,
        common: Common,
        text: str,
        ignore_case: bool,
        level: str | None,
        source: str | None,
        request_id: str | None,
        url: str | None,
        token: str | None,
        ca: Path | None,
        **options: Any,  # noqa: ANN401 - the verb's own
    ) -> None:
        asked = Wanted(
            text, ignore_case, level, source, request_id, options.pop("since", None), options.pop("until", None)
        )
        settings = load(LogsSettings, {"url": url, "token": token}, file=common.settings_file)
        place = destination(settings.url, token=settings.token, ca=ca, state=common.state_flag)
        function(common=common, wanted=asked, reader=Reader(place, warn=progress), **options)

    wrapped = common_options(with_wanted)
    for option in (
        click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="Authority of the collector."),
        click.option("--token", metavar="TOKEN", help="What lets in.  [default: the state folder's]"),
        click.option("--url", metavar="URL", help="The collector.  [default: https://127.0.0.1:6000]"),
        click.option("--request-id", metavar="ID", help="Only entries of this request."),
        click.option("--source", metavar="NAME", help="Only entries of this source."),
        click.option("--level", metavar="LEVEL", help="Only entries of at least this level."),
        click.option("-i", "--ignore-case", is_flag=True, help="TEXT in any case."),
        click.argument("text", default=""),
    ):
        wrapped = option(wrapped)
    return wrapped


def print_entries(entries: Iterable[Entry], *, as_lines_of_json: bool) -> None:
    """Each as soon as it is there; in colours on a terminal."""
    colours = sys.stdout.isatty()
    for entry in entries:
        if as_lines_of_json:
            as_json(entry)
        else:
            click.echo(shown(entry, colours=colours))
