"""Where batches of payloads go: an object store, a function of the user's, or memory."""

from headrace.sinks.batch import Batch, Run, Runs
from headrace.sinks.sink import Held, Receipt, Rejected, Sink, SinkError, Transient

__all__ = ["Batch", "Held", "Receipt", "Rejected", "Run", "Runs", "Sink", "SinkError", "Transient"]
