"""Members survive the balancer."""

import json
import logging

import pytest

from headrace.balancer import saved
from headrace.balancer.member import Offer, State
from headrace.balancer.registry import Registry
from headrace.errors import OperationError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "membership.json"


def save(registry: Registry, file) -> None:
    saved.save(file, registry.members(), registry.next_number)


def test_members_come_back_with_everything_they_offer(registry, file):
    offer = Offer("10.0.0.1:3000", "https", ("shop",), weight=3, capacity=8, version="1.2")
    member = registry.register(offer)
    registry.probed(member.id, ok=True)
    save(registry, file)
    back = saved.load(file)
    assert [(m.id, m.offer, m.state) for m in back.members] == [(member.id, offer, State.UP)]
    assert back.next_number == 2


def test_only_those_who_stay_are_saved(registry, file):
    for port in range(3000, 3004):
        registry.register(Offer(f"127.0.0.1:{port}"))
    registry.leave("s1", "it unregistered")
    registry.leave("s2", "the operator drains it", held=True)
    registry.remove("s3")
    registry.register(Offer("127.0.0.1:4000", static=True))
    save(registry, file)
    assert [(m.id, m.held) for m in saved.load(file).members] == [("s2", True), ("s4", False)]


def test_without_a_file_there_are_no_members(file):
    assert saved.load(file) == saved.Saved()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 2, "next_number": 1, "members": []}',
        '{"version": 1, "next_number": 1, "members": [{}]}',
        '{"version": 1, "next_number": 1, "members": [{"id": "s1", "offer": {"address": "x", "services": []}}]}',
        '{"version": 1, "next_number": 1, "members": {"a": 1}}',
    ],
)
def test_a_damaged_file_is_set_aside_with_a_warning(file, text, caplog):
    file.write_text(text)
    with caplog.at_level(logging.WARNING):
        assert saved.load(file) == saved.Saved()
    assert "damaged" in caplog.text
    assert file.with_suffix(".damaged").read_text() == text
    assert not file.exists()


def test_a_file_of_other_bytes_is_set_aside_too(file):
    file.write_bytes(b"\xff\xfe\x00")
    assert saved.load(file) == saved.Saved()


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(file):
    file.mkdir()
    with pytest.raises(OperationError, match=r"membership\.json"):
        saved.load(file)


def test_the_file_is_for_its_owner_only_and_says_its_version(registry, file):
    save(registry, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["version"] == 1
