"""Settings: what can be set (`sections`), how values are read (`values`), and which of several counts (`loading`)."""

from headrace.settings.loading import Effective, explain, load
from headrace.settings.sample import sample
from headrace.settings.sections import (
    SECTIONS,
    AppSettings,
    BalancerSettings,
    ClientLimits,
    ForwardingOptions,
    IngestSettings,
    Section,
    TlsSettings,
)

__all__ = [
    "SECTIONS",
    "AppSettings",
    "BalancerSettings",
    "ClientLimits",
    "Effective",
    "ForwardingOptions",
    "IngestSettings",
    "Section",
    "TlsSettings",
    "explain",
    "load",
    "sample",
]
