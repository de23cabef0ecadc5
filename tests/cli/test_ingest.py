"""`headrace ingest` that can't start says why in one line; verbs that can't reach it, too."""

import os
import socket

import pytest

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

FREE = ("--address", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--plain")


@pytest.mark.parametrize("flag", ["--address", "--admin"])
def test_a_taken_port_is_named(fails, flag):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert address in fails(1, "ingest", *FREE, flag, address)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--to", "ftp://somewhere"), "s3://"),
        (("--to", "landed"), "module:function"),
        (("--to", "s3://"), "s3://"),
        (("--format", "xml"), "ndjson.gz, ndjson.zst, parquet"),
        (("--objects", "some"), "batch, each"),
        (("--ack", "never"), "memory, disk, object"),
        (("--workers", "0"), "1 to 256"),
        (("--workers", "many"), "1 to 256"),
        (("--queue", "0"), "from 1"),
        (("--max-length", "huge"), "a size"),
        (("--paths", "orders"), "/orders"),
        (("--paths", "/a/b"), "/some/path=orders"),
        (("--paths", "/o=a/b"), "/some/path=orders"),
        (("--paths", "/o", "--paths", "/o=p"), "twice"),
        (("--node", "a/b"), "--node"),
        (("--batch-age", "soon"), "duration"),
        (("--address", "7000"), "host:port"),
    ],
    ids=" ".join,
)
def test_a_wrong_setting_says_what_is_accepted(fails, flags, said):
    assert said in fails(2, "ingest", *FREE, *flags)


@pytest.mark.parametrize("name", ["MAX_WORKERS", "HEADRACE_INGEST_WORKERS"])
def test_a_wrong_variable_is_named(fails, name):
    assert f"from {name} cannot be 'many'" in fails(2, "ingest", *FREE, environ={name: "many"})


def test_an_unknown_setting_is_named(fails, tmp_path):
    (tmp_path / "other.toml").write_text("[ingest]\nqueu = 5\n")
    message = fails(2, "ingest", *FREE, "--settings", "other.toml")
    assert "other.toml:2" in message
    assert "did you mean queue" in message


def test_a_function_that_cannot_be_imported_is_named(fails):
    assert "nothing:here" in fails(1, "ingest", *FREE, "--to", "nothing:here")


def test_a_target_that_is_a_file_is_named(fails, tmp_path):
    (tmp_path / "landed").write_text("")
    assert "landed" in fails(2, "ingest", *FREE, "--to", "./landed")


def test_a_journal_too_small_says_what_is_accepted(fails):
    environ = {"HEADRACE_INGEST_JOURNAL_BYTES": "64k"}
    assert "256k" in fails(2, "ingest", *FREE, environ=environ)


def test_a_state_folder_with_a_file_in_the_way_is_named(fails, tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "ingest").write_text("")
    assert str(tmp_path / "state" / "ingest") in fails(1, "ingest", *FREE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(fails, tmp_path):
    (tmp_path / "landed").mkdir(mode=0o500)
    assert "can't be written" in fails(1, "ingest", *FREE, "--to", "./landed")


def test_damaged_numbers_of_streams_are_told(fails, tmp_path):
    folder = tmp_path / "state" / "ingest"
    folder.mkdir(mode=0o700, parents=True)
    folder.parent.chmod(0o700)
    (folder / "streams.json").write_text("[]")
    assert "streams.json" in fails(1, "ingest", *FREE)


@pytest.mark.parametrize("verb", [("status",), ("replay",), ("workers", "3")], ids=" ".join)
def test_a_service_that_does_not_run_is_missed_in_one_line(fails, headrace, verb):
    assert "start `headrace ingest`" in fails(1, "ingest", *verb)
    headrace("certs", "list")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert f"cannot reach ingest at https://{address}" in fails(1, "ingest", *verb, "--admin", address)


def test_nothing_landed_yet_is_told(fails):
    assert "nothing has landed" in fails(1, "ingest", "where", "1")
    assert "nothing has landed below ./landed" in fails(1, "ingest", "query", "select 1")


@pytest.mark.parametrize("target", ["shop:store", "memory://", "ftp://x"])
def test_what_cannot_be_asked_by_sql_is_told(fails, target):
    assert f"{target} names no object store" in fails(2, "ingest", "query", "--to", target, "select 1")


@pytest.mark.parametrize("count", ["0", "257", "many"])
def test_a_wrong_number_of_workers_is_told(headrace, count):
    done = headrace("ingest", "workers", count)
    assert done.returncode == 2
    assert count in done.stderr


def test_the_nearest_verb_is_named(fails):
    assert "did you mean status" in fails(2, "ingest", "statsu")


def test_help_lists_the_verbs(headrace):
    done = headrace("ingest", "--help")
    assert done.returncode == 0
    for verb in ("run", "status", "where", "replay", "query", "workers"):
        assert f"\n  {verb} " in done.stdout
        assert "Examples:" in headrace("ingest", verb, "--help").stdout
