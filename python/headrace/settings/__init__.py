"""Settings: what can be set (`sections`), how values are read (`values`), and which of several counts (`loading`)."""

from headrace.settings.loading import Effective, explain, load
from headrace.settings.sample import sample
from headrace.settings.sections import (
    SECTIONS,
    AppSettings,
    BalancerSettings,
    CacheSettings,
    ClientLimits,
    ForwardingOptions,
    IngestSettings,
    LogsSettings,
    Section,
    TlsSettings,
)

__all__ = [
    "SECTIONS",
    "AppSettings",
    "BalancerSettings",
    "CacheSettings",
    "ClientLimits",
    "Effective",
    "ForwardingOptions",
    "IngestSettings",
    "LogsSettings",
    "Section",
    "TlsSettings",
    "explain",
    "load",
    "sample",
]
