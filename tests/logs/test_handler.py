"""The handler, over the wire."""

import logging
import logging.config
import threading
import time

import pytest

from headrace.errors import UsageError
from headrace.logs import Handler, request_id
from tests.processes import until


@pytest.fixture
def make(collector):
    made = []

    def handler(**options):
        made.append(Handler(collector.url, **{"source": "shop", **options}))
        return made[-1]

    yield handler
    for each in made:
        each.close()


def logger(handler, name="shop"):
    """A logger that no other test has."""
    made = logging.Logger(name, logging.DEBUG)  # noqa: LOG001
    made.addHandler(handler)
    return made


@pytest.fixture
def log(make):
    return logger(make(), "shop.orders")


def only(collector):
    (entry,) = collector.wait_for(1)
    return entry


def test_a_record_becomes_an_entry(collector, log):
    before = time.time()
    log.warning("%s of %d are left", "three", 7)
    entry = only(collector)
    assert {name: entry[name] for name in ("Level", "Source", "Message")} == {
        "Level": "WARNING",
        "Source": "shop",
        "Message": "three of 7 are left",
    }
    assert before - 0.001 <= int(entry["Timestamp"]) / 1e9 <= time.time()
    assert set(entry) == {"Timestamp", "Level", "Source", "Message"}


def test_without_a_source_it_is_the_loggers_name(collector, make):
    log = logger(make(source=""), "shop.orders")
    log.error("oh")
    assert only(collector)["Source"] == "shop.orders"


def test_extras_are_fields_whatever_they_are(collector, log):
    class Rude:
        def __repr__(self):
            raise OSError

    around: list = []
    around.append(around)
    extra = {"user": 7, "tags": {"a"}, "Level": "forged", "nan": float("nan"), "rude": Rude(), "around": around}
    log.info("all", extra=extra)
    entry = only(collector)
    assert (entry["user"], entry["tags"], entry["Level"], entry["Level_"]) == (7, "{'a'}", "INFO", "forged")
    assert entry["nan"] == "nan"
    assert entry["rude"] == "<Rude, whose repr fails with OSError>"
    assert entry["around"] == "[[...]]"


def test_an_exception_and_a_stack_are_fields(collector, log):
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        log.exception("it failed", stack_info=True)
    entry = only(collector)
    assert entry["Message"] == "it failed"
    assert entry["exception"].startswith("Traceback (most recent call last):")
    assert entry["exception"].endswith("ZeroDivisionError: division by zero")
    assert "test_an_exception_and_a_stack_are_fields" in entry["stack"]


def test_a_formatter_makes_the_message(collector, make):
    handler = make()
    handler.setFormatter(logging.Formatter("[%(name)s] %(message)s"))
    log = logger(handler)
    log.info("open %s", "now")
    assert only(collector)["Message"] == "[shop] open now"


def test_chosen_fields_are_told(collector, make):
    log = logger(make(fields=("logger", "location", "process", "thread")), "shop.orders")
    log.info("open")
    entry = only(collector)
    assert (entry["logger"], entry["thread"]) == ("shop.orders", "MainThread")
    assert entry["location"].split(":")[0] == __file__
    with pytest.raises(UsageError, match="records have no field nothing; choose from logger, location"):
        make(fields=("nothing",))


def test_the_request_at_hand_is_told(collector, log):
    token = request_id.set("r-7")
    log.info("within")
    request_id.reset(token)
    log.info("after")
    within, after = collector.wait_for(2)
    assert within["request_id"] == "r-7"
    assert "request_id" not in after


def test_filters_and_levels_hold(collector, make):
    handler = make(level="WARNING")
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    log = logger(handler)
    for message in ("quiet", "a secret"):
        log.info(message)
        log.error(message)
    collector.wait_for(1)
    handler.flush()
    assert collector.messages == ["quiet"]


@pytest.mark.parametrize("message", ["line\nbreak;", "\ud800 half", "\0", "é" * 100_000, ""])
def test_any_text_is_a_message(collector, log, message):
    log.info(message)
    assert only(collector)["Message"] == message.encode("utf-8", "backslashreplace").decode()


def test_what_can_not_be_formatted_does_not_reach_the_app(collector, log, capsys):
    log.info("%d", "no number")
    log.info("after")
    assert only(collector)["Message"] == "after"
    assert "Logging error" in capsys.readouterr().err


def test_messages_that_are_no_text_are_told_as_text(collector, log):
    log.info(ValueError("odd"))
    assert only(collector)["Message"] == "odd"


def test_it_is_configured_in_one_line(collector):
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"central": {"class": "headrace.logs.Handler", "url": collector.url, "source": "shop"}},
            "loggers": {"shop.configured": {"level": "INFO", "handlers": ["central"]}},
        }
    )
    configured = logging.getLogger("shop.configured")
    configured.info("configured")
    assert only(collector)["Message"] == "configured"
    for handler in list(configured.handlers):
        configured.removeHandler(handler)
        handler.close()


def test_the_token_of_the_machine_is_found(collector, tmp_path, log):
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "token").write_text("found\n")
    log.error("at once")
    only(collector)
    assert collector.requests[0]["authorization"] == "Bearer found"


def test_a_url_that_is_none_is_told_at_once():
    with pytest.raises(UsageError, match="logs:6000 is not a URL of a log collector; like https://"):
        Handler("logs:6000")


def test_a_log_call_does_not_wait_for_a_collector_that_hangs(collector, make):
    collector.pause.clear()
    handler = make(queue_bytes=100_000)
    log = logger(handler)
    log.error("first")
    until(lambda: collector.requests)
    started = time.monotonic()
    for number in range(10_000):
        log.info("entry %d", number)
    assert time.monotonic() - started < 20
    dropped = handler.counts()["dropped"]
    assert 0 < dropped < 10_000
    collector.pause.set()
    told = until(lambda: [entry for entry in collector.entries if "dropped" in entry["Message"]])
    assert [entry["Message"].split(" were")[0] for entry in told] == [f"{dropped} entries"]
    handler.flush()
    assert len(collector.entries) == 10_001 - dropped + 1


def test_many_threads_lose_nothing(collector, make):
    handler = make()
    log = logger(handler)

    def write(thread):
        for number in range(1000):
            log.info("%d %d", thread, number)

    threads = [threading.Thread(target=write, args=(each,)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.flush()
    collector.wait_for(8000)
    for each in range(8):
        numbers = [int(message.split()[1]) for message in collector.messages if message.split()[0] == str(each)]
        assert numbers == list(range(1000))


def test_it_says_once_that_entries_can_not_be_sent(tmp_path, capsys):
    (tmp_path / "broken.pem").write_text("nothing")
    handler = Handler("https://127.0.0.1:1", ca=tmp_path / "broken.pem", state=tmp_path / "state")
    log = logger(handler)
    log.info("one")
    log.info("two")
    handler.close()
    error = capsys.readouterr().err
    assert error.startswith("headrace.logs: log entries can't be sent: ")
    assert error.count("\n") == 1
