"""A batch as the bytes of one object. The same batch gives the same bytes: no clock, no name, a level that is its own.

| format | suffix | levels | needs |
|---|---|---|---|
| `ndjson.gz` | `.ndjson.gz` | 1 to 9, as usual 2 | - |
| `ndjson.zst` | `.ndjson.zst` | 1 to 19, as usual 1 | - |
| `parquet` | `.parquet` | - | `pip install 'headrace[parquet]'` |

Of telemetry (600 bytes a collection of three, each with a random id) gzip makes 35 % at level 1, 25 % at 2 in 1.4 times
the time, 23 % at 4 in twice the time; zstd makes 21 % at level 1 in half the time, and 23 % at level 3 in the same.

A Parquet object has two columns: `seq`, the payload's number, and `payload`, its JSON as posted. Types guessed from the
payloads of one batch would differ from those of the next.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from headrace import _core
from headrace.errors import UsageError
from headrace.sinks.batch import EACH, Batch, Coding


@dataclass(frozen=True)
class Format:
    """How batches become objects and `decode` gets their lines back; `extra` installs `module`."""

    suffix: str
    media_type: str
    encode: Callable[[Batch], bytes]
    decode: Callable[[bytes], bytes]
    levels: int = 0
    module: str = ""
    extra: str = ""


def lines_in(suffix: str, coding: Coding, levels: int) -> Format:
    """NDJSON in one gzip member, or in one zstd frame with its length and checksum."""
    return Format(
        suffix,
        f"application/{coding}",
        lambda batch: batch.packed(coding),
        lambda data: _core.unpack(data, coding),
        levels,
    )


def to_parquet(batch: Batch) -> bytes:
    """A Parquet file with the columns `seq` and `payload`."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    numbers, bodies = zip(*batch.payloads(), strict=True)
    table = pa.table({"seq": pa.array(numbers, "int64"), "payload": pa.array(bodies, "string")})
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def from_parquet(data: bytes) -> bytes:
    """The lines of an object."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    column = pq.read_table(io.BytesIO(data), columns=["payload"])["payload"]
    return b"".join(body.encode() + b"\n" for body in column.to_pylist())


FORMATS: Final = {
    form.suffix: form
    for form in (
        lines_in("ndjson.gz", "gzip", 9),
        lines_in("ndjson.zst", "zstd", 19),
        Format("parquet", "application/vnd.apache.parquet", to_parquet, from_parquet, 0, "pyarrow", "parquet"),
    )
}


def check(name: str, level: int = 0) -> str:
    """`name`, if batches can be stored in that form, at that level of compression where it has levels.

    Raises `UsageError` when it isn't known or not installed, or has no such level.
    """
    if name == EACH:
        return name
    form = FORMATS.get(name)
    if form is None:
        raise UsageError(f"unknown format {name}", hint=f"choose one of {', '.join([*FORMATS, EACH])}")
    if form.levels and level > form.levels:
        raise UsageError(f"{name} has no level {level}", hint=f"levels are 1 to {form.levels}, and 0 for the usual one")
    try:
        if form.module:
            __import__(form.module)
    except ImportError:
        hint = f"pip install 'headrace[{form.extra}]'"
        raise UsageError(f"the format {name} needs {form.module}", hint=hint) from None
    return name
