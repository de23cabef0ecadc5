"""The central log, for services that are told where it is."""

import logging
from pathlib import Path

from headrace.cli.options import Common
from headrace.logs import Handler


def log_centrally(common: Common, url: str | None, source: str, ca: Path | None = None) -> Handler | None:
    """Sends what this process logs to the collector at `url`, too; None without one. Raises `UsageError`.

    Example: `log_centrally(common, settings.logs, "ingest")`.
    """
    if url is None:
        return None
    handler = Handler(url, source, ca=ca, state=common.state.path)
    logging.getLogger().addHandler(handler)
    return handler
