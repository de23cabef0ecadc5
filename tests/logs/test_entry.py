"""Entries that are written without `logging`."""

from datetime import datetime, timezone

import pytest
import structlog

from headrace.logs import entry, request_id, write_entry
from headrace.logs.structlog import Processor


@pytest.fixture(autouse=True)
def here(collector, monkeypatch):
    monkeypatch.setenv("HEADRACE_LOGS_URL", collector.url)
    yield
    entry._outlet.close()


def test_an_entry_is_one_call(collector):
    moment = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)
    assert write_entry("sold out", "ERROR", source="shop", timestamp=moment, article=7)
    assert collector.wait_for(1) == [
        {
            "Timestamp": "1772366400123456000",
            "Level": "ERROR",
            "Source": "shop",
            "Message": "sold out",
            "article": 7,
        }
    ]


def test_an_entry_can_be_waited_for(collector):
    write_entry("\udc00 half")
    assert entry.flush(30.0)
    assert collector.messages == ["\\udc00 half"]


def test_events_of_structlog_are_sent_and_passed_on(collector):
    processor = Processor(source="shop")
    token = request_id.set("r-1")
    event = {"event": "sold out", "level": "error", "article": 7, "timestamp": "2026-03-01T12:00:00Z"}
    try:
        int("odd")
    except ValueError:
        event["exc_info"] = True
        assert processor(None, "error", event) is event
    request_id.reset(token)
    (sent,) = collector.wait_for(1)
    assert sent.pop("exception").endswith("'odd'")
    assert sent == {
        "Timestamp": "1772366400000000000",
        "Level": "ERROR",
        "Source": "shop",
        "Message": "sold out",
        "article": 7,
        "request_id": "r-1",
    }
    assert processor.flush(30.0)


def test_the_last_processor_of_structlog_ends_the_event(collector, capsys):
    logger = structlog.wrap_logger(structlog.PrintLogger(), [Processor(source="shop", last=True)])
    logger.warning("sold out", article=7)
    (sent,) = collector.wait_for(1)
    assert (sent["Message"], sent["Level"], sent["article"]) == ("sold out", "WARNING", 7)
    assert capsys.readouterr().out == ""


def test_old_times_are_told_so_that_they_are_taken_for_what_they_are(collector):
    write_entry("long ago", timestamp=0.5)
    assert collector.wait_for(1)[0]["Timestamp"] == "0.500000000"
