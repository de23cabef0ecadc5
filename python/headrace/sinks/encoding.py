"""A batch as the bytes of one object. The same batch gives the same bytes: no clock, no name, a fixed level.

| format | suffix | needs |
|---|---|---|
| `ndjson.gz` | `.ndjson.gz` | - |
| `ndjson.zst` | `.ndjson.zst` | `pip install 'headrace[zstd]'` |
| `parquet` | `.parquet` | `pip install 'headrace[parquet]'` |

A Parquet object has two columns: `seq`, the payload's number, and `payload`, its JSON as posted. Types guessed from the
payloads of one batch would differ from those of the next.
"""

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from headrace.errors import UsageError
from headrace.sinks.batch import EACH, Batch

GZIP_LEVEL: Final = 3
GZIP_WINDOW: Final = 31  # the largest window, in gzip's frame; zlib leaves time and name in it empty
ZSTD_LEVEL: Final = 1


@dataclass(frozen=True)
class Format:
    """How batches become objects and `decode` gets their lines back; `extra` installs `module`."""

    suffix: str
    media_type: str
    encode: Callable[[Batch], bytes]
    decode: Callable[[bytes], bytes]
    module: str = ""
    extra: str = ""


def to_gzip(batch: Batch) -> bytes:
    """NDJSON in one gzip member."""
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    return compressor.compress(batch.lines) + compressor.flush()


def from_gzip(data: bytes) -> bytes:
    """The lines of an object."""
    return zlib.decompress(data, GZIP_WINDOW)


def to_zstd(batch: Batch) -> bytes:
    """NDJSON in one zstd frame with its length and checksum."""
    import zstandard  # noqa: PLC0415 - an extra

    return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compress(batch.lines)


def from_zstd(data: bytes) -> bytes:
    """The lines of an object."""
    import zstandard  # noqa: PLC0415 - an extra

    return zstandard.ZstdDecompressor().decompress(data)


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
        Format("ndjson.gz", "application/gzip", to_gzip, from_gzip),
        Format("ndjson.zst", "application/zstd", to_zstd, from_zstd, "zstandard", "zstd"),
        Format("parquet", "application/vnd.apache.parquet", to_parquet, from_parquet, "pyarrow", "parquet"),
    )
}


def check(name: str) -> str:
    """`name`, if batches can be stored in that form. Raises `UsageError` when it isn't known or not installed."""
    if name == EACH:
        return name
    form = FORMATS.get(name)
    if form is None:
        raise UsageError(f"unknown format {name}", hint=f"choose one of {', '.join([*FORMATS, EACH])}")
    try:
        if form.module:
            __import__(form.module)
    except ImportError:
        hint = f"pip install 'headrace[{form.extra}]'"
        raise UsageError(f"the format {name} needs {form.module}", hint=hint) from None
    return name
