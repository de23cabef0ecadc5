"""Entries as people read them."""

import click
import pytest

from headrace.logs.display import shown

ENTRY = {
    "time": "2026-11-23T12:00:00.500000000Z",
    "level": "ERROR",
    "source": "shop",
    "message": "no stock\nTraceback:\n  line 1",
    "request_id": "7",
    "retries": 3,
}


def test_in_a_pipe_an_entry_is_one_line():
    expected = "2026-11-23 12:00:00.5 ERROR    shop: no stock\\nTraceback:\\n  line 1 request_id=7 retries=3"
    assert shown(ENTRY, colours=False) == expected


def test_on_a_terminal_a_traceback_keeps_its_lines():
    text = click.unstyle(shown(ENTRY, colours=True))
    assert text.split("\n") == [
        "2026-11-23 12:00:00.5 ERROR    shop: no stock",
        "    Traceback:",
        "      line 1 request_id=7 retries=3",
    ]


def test_on_a_terminal_fields_of_several_lines_come_below():
    entry = {**ENTRY, "message": "no stock", "exception": "Traceback:\n  line 1"}
    assert click.unstyle(shown(entry, colours=True)).split("\n") == [
        "2026-11-23 12:00:00.5 ERROR    shop: no stock request_id=7 retries=3",
        "    exception: Traceback:",
        "      line 1",
    ]


@pytest.mark.parametrize(("level", "colour"), [("INFO", "\x1b[32m"), ("WARNING", "\x1b[33m"), ("ERROR", "\x1b[31m")])
def test_levels_have_colours(level, colour):
    assert f"{colour}{level}" in shown({**ENTRY, "level": level}, colours=True)


@pytest.mark.parametrize("part", ["level", "source", "message", "request_id"])
@pytest.mark.parametrize("hiding", ["\x1b[2J", "\r", "\x7f", "\x9b", "\u202e"])
def test_nothing_that_was_logged_steers_the_terminal(part, hiding):
    plain = shown({**ENTRY, part: hiding}, colours=False)
    assert hiding[0] not in plain
    assert hiding not in click.unstyle(shown({**ENTRY, part: hiding}, colours=True))


def test_what_is_missing_leaves_no_gap():
    entry = {"time": "2026-11-23T12:00:00.000000000Z", "level": "", "source": "", "message": "up"}
    assert shown(entry, colours=False).split() == ["2026-11-23", "12:00:00", "up"]
