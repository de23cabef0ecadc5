"""What a user does wrong: one clear line with what and what to do, an exit code, no traceback."""

import re
import socket
from pathlib import Path

import pytest

from tests.processes import free_port, run

from .stack import APPS, Stack

FREE = ("--address", "127.0.0.1:0", "--admin", "127.0.0.1:0")

# id: (exit code, words that the line must have, arguments, environment, headrace.toml)
MISTAKES = {
    "port out of range": (2, ["99999"], ("balance", "--address", "127.0.0.1:99999"), {}, ""),
    "port that is no number": (2, ["http"], ("balance", "--address", "127.0.0.1:http"), {}, ""),
    "app server's port": (2, ["99999"], ("serve", "plain:app", "--port", "99999"), {}, ""),
    "unreadable certificate": (
        (1, 2), ["missing."], ("balance", *FREE, "--cert", "missing.pem", "--key", "missing.key"), {}, "",
    ),
    "certificate without its key": (2, ["key"], ("balance", *FREE, "--cert", "missing.pem"), {}, ""),
    "unknown setting in the file": (
        2, ["adress", "address", "headrace.toml"], ("balance", *FREE), {}, '[balancer]\nadress = "127.0.0.1:0"\n',
    ),
    "file that is no TOML": (2, ["headrace.toml"], ("balance", *FREE), {}, "[balancer\n"),
    "unknown variable": (2, ["HEADRACE_BALANCER_ADRESS"], ("balance", *FREE), {"HEADRACE_BALANCER_ADRESS": "x"}, ""),
    "unreadable duration": (
        2, ["soon", "HEADRACE_BALANCER_LEASE"], ("balance", *FREE), {"HEADRACE_BALANCER_LEASE": "soon"}, "",
    ),
    "unknown flag": (2, ["--adress"], ("balance", "--adress", "x"), {}, ""),
    "unknown verb": (2, ["blance"], ("blance",), {}, ""),
    "app whose import fails": (1, ["broken", "no_such_package"], ("serve", "broken:app", "--port", "0"), {}, ""),
    "app's module that isn't there": (1, ["nowhere"], ("serve", "nowhere:app", "--port", "0"), {}, ""),
    "app's name that isn't there": (1, ["plain", "application"], ("serve", "plain:application", "--port", "0"), {}, ""),
    "app without a name": (2, ["plain"], ("serve", "plain", "--port", "0"), {}, ""),
}  # fmt: skip


@pytest.mark.parametrize(("code", "words", "arguments", "env", "settings"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_clear_line(tmp_path: Path, code, words, arguments, env, settings):
    (tmp_path / "headrace.toml").write_text(settings)
    for app in ("plain.py", "broken.py"):
        (tmp_path / app).symlink_to(APPS / app)
    done = run(*arguments, folder=tmp_path, env={"HEADRACE_HOME": str(tmp_path / "state")} | env)
    assert done.returncode in (code if isinstance(code, tuple) else (code,)), done.stderr
    assert_clear(done.stderr, words)


def assert_clear(printed: str, words: list[str]) -> None:
    """One line says it; a usage line and where an app's own import failed may stand beside it."""
    assert "Traceback" not in printed
    assert "unexpected" not in printed, printed
    lines = [line for line in printed.splitlines() if re.match(r"(headrace: )?error:", line, re.IGNORECASE)]
    assert len(lines) == 1, printed
    assert not [word for word in words if word not in printed], printed


@pytest.mark.parametrize("flag", ["--address", "--admin"])
def test_a_taken_port_is_named(tmp_path: Path, flag: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = dict(zip(FREE[::2], FREE[1::2], strict=True)) | {flag: f"127.0.0.1:{port}"}
        pairs = [part for pair in flags.items() for part in pair]
        done = run("balance", *pairs, "--state", str(tmp_path / "state"), folder=tmp_path)
    assert done.returncode == 1
    assert_clear(done.stderr, [str(port)])


def test_an_app_servers_taken_port_is_named(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "plain:app", "--port", port, "--state", str(tmp_path / "state"), folder=APPS)
    assert done.returncode == 1
    assert_clear(done.stderr, [port])


def test_a_certificate_that_is_none_is_named(tmp_path: Path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    files = ("--cert", str(wrong), "--key", str(wrong))
    done = run("balance", *FREE, *files, "--state", str(tmp_path / "state"), folder=tmp_path)
    assert done.returncode in (1, 2)
    assert_clear(done.stderr, ["wrong.pem"])


def test_a_wrong_token_is_refused_and_said(stack: Stack):
    stack.balance()
    done = run(
        "servers", "--state", str(stack.state), folder=stack.folder,
        env={"HEADRACE_BALANCER_TOKEN": "wrong", "HEADRACE_BALANCER_ADMIN": stack.admin_url.removeprefix("https://")},
    )  # fmt: skip
    assert done.returncode == 1
    assert_clear(done.stderr, ["token"])


def test_without_a_balancer_the_verb_says_where_it_looked(tmp_path: Path):
    address, state = f"127.0.0.1:{free_port()}", ("--state", str(tmp_path / "state"))
    run("certs", *state, folder=tmp_path)
    done = run("servers", *state, folder=tmp_path, env={"HEADRACE_BALANCER_ADMIN": address})
    assert done.returncode == 1
    assert_clear(done.stderr, [address])
