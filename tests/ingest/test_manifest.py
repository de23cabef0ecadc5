"""Which object holds payload N."""

import pytest

from headrace.errors import OperationError
from headrace.ingest.manifest import Landed, Manifest


def landed(first: int, last: int, *, stream: str = "", node: str = "web-1") -> Landed:
    return Landed(first, last, last - first + 1, stream, 490_000, 100, f"s3://b/{node}-{first}-{last}", node)


@pytest.fixture
def manifest(tmp_path):
    manifest = Manifest(tmp_path / "ingest" / "manifest.sqlite")
    yield manifest
    manifest.close()


def test_a_payload_is_in_the_object_whose_range_it_is_in(manifest):
    for first in range(1, 1000, 10):
        manifest.add(landed(first, first + 9))
    assert [manifest.where(number) for number in (1, 10, 11, 1000)] == [
        [landed(1, 10)],
        [landed(1, 10)],
        [landed(11, 20)],
        [landed(991, 1000)],
    ]


def test_what_has_not_landed_is_nowhere(manifest):
    manifest.add(landed(1, 10))
    assert manifest.where(11) == []


def test_streams_that_took_turns_are_told_apart_by_name(manifest):
    manifest.add(landed(1, 9))
    manifest.add(landed(2, 8, stream="orders"))
    assert {found.stream for found in manifest.where(5)} == {"", "orders"}
    assert manifest.where(5, "orders") == [landed(2, 8, stream="orders")]


def test_the_same_batch_again_is_no_second_row(manifest):
    manifest.add(landed(1, 10))
    manifest.add(landed(1, 10))
    assert manifest.where(1) == [landed(1, 10)]


def test_it_is_there_after_a_restart_and_for_others(manifest, tmp_path):
    manifest.add(landed(1, 10))
    other = Manifest(tmp_path / "ingest" / "manifest.sqlite")
    assert other.where(3) == [landed(1, 10)]
    other.close()


def test_a_file_that_is_no_manifest_is_named(tmp_path):
    (tmp_path / "manifest.sqlite").write_bytes(b"hello" * 1000)
    with pytest.raises(OperationError, match=r"cannot use the manifest .*manifest\.sqlite: file is not a database"):
        Manifest(tmp_path / "manifest.sqlite")
