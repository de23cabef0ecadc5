"""Payloads: accepted into a journal, landed in a sink, each once. `Client` and `AsyncClient` post them."""

from headrace.ingest.client import AsyncClient, Client
from headrace.ingest.outbox import OutboxLimits
from headrace.ingest.poster import NotIngestedError

__all__ = ["AsyncClient", "Client", "NotIngestedError", "OutboxLimits"]
