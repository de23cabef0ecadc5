"""What the verbs for a running ingest service have in common: where it is, and how it is asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from headrace.cli.admin import INGEST, client_of
from headrace.cli.options import Common, common_options
from headrace.settings import IngestSettings, load


def call_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds where the service's admin port is; the verb's function receives `common`, `admin` and `ca`."""
    for option in (
        click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="Authority of the admin port."),
        click.option("--admin", metavar="HOST:PORT", help="The admin port.  [default: that of the settings]"),
    ):
        function = option(function)
    return common_options(function)


@contextmanager
def service(common: Common, admin: str | None, ca: Path | None) -> Iterator[httpx.Client]:
    """A client of the admin port. Raises `OperationError` when it can't be reached or verified."""
    settings = load(IngestSettings, {"admin": admin}, file=common.settings_file)
    with client_of(INGEST, common, f"https://{settings.admin}", None, ca) as client:
        yield client
