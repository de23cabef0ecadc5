"""`GET /search` and `GET /tail` over the wire."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from headrace._core import Engine, Journal, LogOptions, LogServer, compress_log
from tests.logs.log_reader import TOKEN, append, line, serving
from tests.processes import until

PATIENCE = 30.0  # seconds
EVENTS = {"Accept": "text/event-stream"}
LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


@pytest.fixture
def client(tmp_path, folder):
    with serving(folder, tmp_path / "journal") as reader:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=reader.destination.url, headers=headers, timeout=PATIENCE) as client:
            yield client


def messages(response):
    assert response.status_code == httpx.codes.OK, response.text
    return [entry["message"] for entry in response.json()["entries"]]


def test_entries_are_found_by_time_level_source_text_and_request(client, folder):
    append(
        folder,
        line(0, "DEBUG", "web", "one"),
        line(1, "ERROR", "web", "Two", '{"request_id":"7"}'),
        line(2, "ERROR", "load balancer", "three"),
    )
    assert messages(client.get("/search")) == ["one", "Two", "three"]
    assert messages(client.get("/search?order=desc")) == ["three", "Two", "one"]
    assert messages(client.get("/search?level=warn")) == ["Two", "three"]
    assert messages(client.get("/search?source=load+balancer")) == ["three"]
    assert messages(client.get("/search?text=two")) == []
    assert messages(client.get("/search?text=two&i=1")) == ["Two"]
    assert messages(client.get("/search?request_id=7")) == ["Two"]
    between = {"since": "2026-11-23T12:00:01Z", "until": "2026-11-23T13:00:02+01:00"}
    assert messages(client.get("/search", params=between)) == ["Two"]


def test_an_entry_is_told_with_all_it_has(client, folder):
    append(folder, line(1, "ERROR", "web", r"a\;b\nc", '{"request_id":"7","retries":3}'))
    assert client.get("/search").json() == {
        "entries": [
            {
                "time": "2026-11-23T12:00:01.000000000Z",
                "level": "ERROR",
                "source": "web",
                "message": "a;b\nc",
                "request_id": "7",
                "retries": 3,
            }
        ],
        "next": None,
    }


def test_pages_go_on_while_files_are_rotated(client, folder):
    append(folder, *(line(second, message=str(second)) for second in range(50)))
    page = client.get("/search?limit=20").json()
    (folder / "log.txt").rename(folder / "log-20261123-120000-0001.txt")
    append(folder, *(line(second, message=str(second)) for second in range(50, 60)))
    found = [entry["message"] for entry in page["entries"]]
    while page["next"]:
        page = client.get("/search", params={"limit": 20, "cursor": page["next"]}).json()
        found += [entry["message"] for entry in page["entries"]]
    assert found == [str(second) for second in range(60)]


def test_all_can_be_had_as_lines(client, folder):
    append(folder, *(line(second % 3600, message=str(second)) for second in range(3000)))
    response = client.get("/search", headers=LINES)
    assert response.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(text)["message"] for text in response.iter_lines()] == [str(second) for second in range(3000)]
    assert len(client.get("/search?limit=7", headers=LINES).text.splitlines()) == 7


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("since=soon", "since is a time"),
        ("limit=0", "limit is a number from 1 to 10000"),
        ("order=up", "order is asc or desc"),
        ("cursor=x", "cursor is what `next`"),
        ("colour=red", "there is no parameter"),
        ("text=%ff", "not UTF-8"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(client, query, reason):
    response = client.get(f"/search?{query}")
    assert response.status_code == httpx.codes.BAD_REQUEST
    assert reason in response.json()["message"]


def test_only_who_has_the_token_may_read(client):
    for path in ("/search", "/tail"):
        assert client.get(path, headers={"Authorization": "Bearer other"}).status_code == httpx.codes.UNAUTHORIZED
        assert client.post(path).status_code == httpx.codes.METHOD_NOT_ALLOWED


def test_there_is_nothing_to_find_before_the_first_entry(client):
    assert client.get("/search").json() == {"entries": [], "next": None}


def test_many_searches_at_once_are_answered_or_refused_in_time(client, folder):
    append(folder, *(line(second % 3600, message="x" * 200) for second in range(20_000)))
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.get("/search?text=absent").status_code, range(200)))
    assert set(answers) <= {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}
    assert answers.count(httpx.codes.OK) >= 32


def test_a_file_that_cannot_be_read_is_named(client, folder):
    append(folder, line(0))
    (folder / "log-20261123-110000-0001.txt.zst").write_bytes(b"something else")
    assert client.get("/search").json()["unreadable"] == ["log-20261123-110000-0001.txt"]


class Following:
    """Reads events in a thread of its own, for as long as it is wanted."""

    def __init__(self, client, query="", **headers):
        self.response = client.send(client.build_request("GET", f"/tail{query}", headers=EVENTS | headers), stream=True)
        assert self.response.status_code == httpx.codes.OK
        self._lines = self.response.iter_lines()
        self.id = None

    def next(self):
        """The next event's entry, or its name where it has one of its own."""
        event = None
        for text in self._lines:
            name, _, value = text.partition(": ")
            if name == "id":
                self.id = value
            elif name == "event":
                event = value
            elif name == "data":
                return event or json.loads(value)["message"]
        return None

    def until_connected(self):
        """Reads up to the end of the greeting, which tells where to go on."""
        for text in self._lines:
            if text.startswith("id: "):
                self.id = text.removeprefix("id: ")
            if not text:
                return self
        raise AssertionError("the stream ended at once")

    def close(self):
        self.response.close()


def test_each_new_line_that_is_wanted_is_told_once(client, folder):
    append(folder, line(0, message="before"))
    following = Following(client, "?level=ERROR&source=web&text=o").until_connected()
    append(folder, line(1, "INFO", "web", "no"), line(1, "ERROR", "web", "one"))
    append(folder, line(2, "ERROR", "cache", "no"), line(2, "ERROR", "web", "n"), line(3, "PANIC", "web", "two"))
    assert [following.next(), following.next()] == ["one", "two"]
    following.close()


def test_lines_from_before_come_first(client, folder):
    append(folder, *(line(second, message=str(second)) for second in range(10)))
    following = Following(client, "?last=2")
    append(folder, line(10, message="10"))
    assert [following.next() for _ in range(3)] == ["8", "9", "10"]
    following.close()


def test_a_follower_goes_on_where_it_was(client, folder):
    append(folder, line(0, message="before"))
    following = Following(client).until_connected()
    following.close()
    append(folder, line(2, message="one"))
    (folder / "log.txt").rename(folder / "log-20261123-120000-0001.txt")
    append(folder, line(3, message="two"))
    again = Following(client, **{"Last-Event-ID": following.id})
    assert [again.next(), again.next()] == ["one", "two"]
    again.close()


def test_whoever_was_in_a_file_that_is_gone_is_told(client, folder):
    append(folder, line(0, message="zero"))
    following = Following(client, **{"Last-Event-ID": "1234-5678"})
    assert [following.next(), following.next()] == ["missed", "zero"]
    following.close()


def test_following_ends_cleanly_when_the_service_stops(tmp_path, folder):
    append(folder, line(0))
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE) as client:
        with serving(folder, tmp_path / "journal") as reader:
            client.base_url = reader.destination.url
            following = Following(client).until_connected()
        assert following.next() is None


def test_late_lines_of_full_files_are_found_compressed_or_not(client, folder):
    full = folder / "log-20261123-120000-0001.txt"
    ordered, late = line(0, message="one") + line(5, message="three"), line(3, message="two")
    side = full.with_name(f"{full.name}.late")
    full.write_text(ordered + late)
    side.write_text(f"{len(ordered)};{late}")
    append(folder, line(9, message="four"))
    assert messages(client.get("/search")) == ["one", "two", "three", "four"]
    compress_log(side)
    assert messages(client.get("/search?since=2026-11-23T12:00:02Z")) == ["two", "three", "four"]
    compress_log(full)
    assert not side.exists()
    assert messages(client.get("/search")) == ["one", "two", "three", "four"]


def test_a_follower_that_leaves_is_noticed_before_there_is_anything_to_tell_it(tmp_path, folder):
    append(folder, line(0))
    journal, engine = Journal(tmp_path / "journal", reserve_bytes=0), Engine(threads=1)
    server = LogServer(journal, LogOptions(tokens=[TOKEN]), file=folder / "log.txt")
    host, _, port = engine.listen("127.0.0.1:0", server).address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as follower:
        follower.sendall(f"GET /tail HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        assert follower.recv(65536).startswith(b"HTTP/1.1 200")
        assert engine.counters().connections_open == 1
    # A heartbeat would find out after 15 seconds.
    until(lambda: engine.counters().connections_open == 0, 10, "end of the connection")
    engine.stop(0.0)
    journal.close()
