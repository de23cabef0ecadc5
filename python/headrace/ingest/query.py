"""SQL over what has landed, with DuckDB (`pip install 'headrace[query]'`)."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import obstore

from headrace.errors import OperationError, UsageError
from headrace.sinks.objectstore import open_store
from headrace.sinks.refusals import OBSTORE_ERRORS, meaning

READERS: Final = {
    ".ndjson.gz": "read_json({}, format='newline_delimited', union_by_name=true, hive_partitioning=true)",
    ".ndjson.zst": "read_json({}, format='newline_delimited', union_by_name=true, hive_partitioning=true)",
    ".json": "read_json({}, union_by_name=true, hive_partitioning=true)",
    ".parquet": "read_parquet({}, union_by_name=true, hive_partitioning=true)",
}
WHOLE: Final = {"json", "payload"}  # what DuckDB calls JSON without fields, and the column of Parquet objects
MISSING: Final = re.compile(r'Referenced column "([^"]+)" not found')


@dataclass(frozen=True)
class Result:
    """What a query found: the columns' names, and the rows."""

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


def query(target: str, sql: str) -> Result:
    """Runs `sql` over the view `payloads`: a row for each payload below `target`, with the columns `dt` and `hour`.

    Example: `query("file:///landed", "select host, count(*) from payloads group by 1").rows`.
    `target` is what `--to` was. Objects of a remote store are fetched first, into a folder that is gone afterwards.
    Raises `UsageError` for SQL that can't be run or a missing extra, `OperationError` when nothing has landed or the
    store can't be read.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError("queries need duckdb", hint="pip install 'headrace[query]'") from None
    with _folder(target) as folder, duckdb.connect() as database:
        columns: set[str] = set()
        try:
            database.execute(f"CREATE VIEW payloads AS {_source(folder, target)}")
            columns.update(row[0] for row in database.execute("DESCRIBE payloads").fetchall())
            found = database.execute(sql)
            return Result([column[0] for column in found.description or ()], found.fetchall())
        except duckdb.Error as error:
            said = " ".join(str(error).split())
            raise UsageError(f"the query failed: {said}", hint=_hint(said, columns)) from error


def _hint(said: str, columns: set[str]) -> str:
    """Payloads are in one column where they don't all have fields, and in Parquet: a field is then asked for in it."""
    missing, whole = MISSING.search(said), columns & WHOLE
    if not missing or not whole:
        return ""
    return f"these payloads are whole in one column, so write {min(whole)}->>'{missing[1]}'"


def _source(folder: Path, target: str) -> str:
    """What reads all formats that are there."""
    present = [suffix for suffix in READERS if next(folder.rglob(f"*{suffix}"), None)]
    if not present:
        raise OperationError(f"nothing has landed below {target}", hint="batches land when they are full or old enough")
    return " UNION ALL BY NAME ".join("SELECT * FROM " + _read(folder, suffix) for suffix in present)  # noqa: S608


def _read(folder: Path, suffix: str) -> str:
    pattern = f"{folder}/**/*{suffix}".replace("'", "''")
    return READERS[suffix].format(f"'{pattern}'")


@contextmanager
def _folder(target: str) -> Iterator[Path]:
    """Where the objects are, on this machine."""
    if target.startswith(("/", ".", "~")):
        yield Path(target).expanduser().absolute()
    elif target.startswith("file://"):
        yield Path(unquote(target.removeprefix("file://")))
    else:
        with tempfile.TemporaryDirectory(prefix="headrace-query-") as folder:
            _fetch(target, Path(folder))
            yield Path(folder)


def _fetch(target: str, folder: Path) -> None:
    store = open_store(target)
    try:
        for entries in obstore.list(store):
            for entry in entries:
                path = folder / entry["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(obstore.get(store, entry["path"]).bytes())
    except OBSTORE_ERRORS as error:
        raise meaning(error, target) from error
