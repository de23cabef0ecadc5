"""What stands behind `--to`."""

from pathlib import Path

from headrace.errors import UsageError
from headrace.sinks.function import FunctionSink
from headrace.sinks.memory import MemorySink
from headrace.sinks.objectstore import SCHEMES, ObjectStoreSink
from headrace.sinks.sink import Sink


def sink_for(target: str) -> Sink:
    """The sink that `target` names.

    | `target` | sink |
    |---|---|
    | `file:///folder`, `./folder`, `/folder` | objects in a folder |
    | `s3://bucket/prefix`, `gs://…`, `az://…` | objects in a store |
    | `module:function` | a function of the user's |
    | `memory://` | nowhere: the payloads stay in memory |

    Example: `sink_for("./landed")`.
    Raises `UsageError` when it names none of these, `OperationError` when it can't be used.
    """
    if target == "memory://":
        return MemorySink()
    if target.partition("://")[0] in SCHEMES and "://" in target:
        return ObjectStoreSink.at(target)
    if "://" in target:
        schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise UsageError(f"no store is known for {target}", hint=f"known are {schemes} and module:function")
    if target.startswith(("/", ".", "~")):
        return ObjectStoreSink.at(Path(target).expanduser().absolute().as_uri())
    return FunctionSink.named(target)
