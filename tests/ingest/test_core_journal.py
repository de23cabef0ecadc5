"""The core's journal behind the landing's protocol."""

import pytest

from headrace.errors import OperationError
from headrace.ingest.journal import Range

_core = pytest.importorskip("headrace._core", reason="the compiled core is not installed")

from headrace.ingest.corejournal import CoreJournal  # noqa: E402


@pytest.fixture
def core(tmp_path):
    journal = _core.Journal(tmp_path / "journal", reserve_bytes=1)
    yield journal
    journal.close()


def test_what_is_open_is_sealed_read_and_landed(core):
    journal = CoreJournal(core)
    core.append([b"1", b"2"])
    (span,) = journal.survey(0, 10, 1 << 20)
    assert (span.first, span.last, span.count, span.size) == (1, 2, 2, 4)
    seal = journal.seal(Range(0, 1, 2), b"note")
    assert (seal.range, seal.count) == (Range(0, 1, 2), 2)
    assert journal.sealed() == [seal]
    assert journal.survey(0, 10, 1 << 20) == []
    assert journal.read(seal)[0].lines == b"1\n2\n"
    packed = journal.pack(seal, "zstd", 3)
    assert (packed.count, packed.size, _core.unpack(packed.data, "zstd")) == (2, 4, b"1\n2\n")
    journal.landed(seal)
    assert journal.sealed() == []


def test_numbers_without_gaps_are_a_range(core):
    core.append([b"1", b"2"])
    core.append([b"3"], stream=1)
    core.append([b"4"])
    pieces = {stream: core.read(stream, 1, 4)[0] for stream in (0, 1)}
    assert list(pieces[0].numbers) == [1, 2, 4]
    assert pieces[1].numbers == range(3, 4)


def test_it_is_waited_for_a_payload(core):
    journal = CoreJournal(core)
    assert not journal.wait(1, 0.01)
    core.append([b"1"])
    assert journal.wait(1, 10.0)


def test_an_error_of_the_core_is_an_operation_error(core):
    with pytest.raises(OperationError):
        CoreJournal(core).seal(Range(0, 5, 9), b"nothing is there")
