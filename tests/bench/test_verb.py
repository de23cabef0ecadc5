import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.bench.tools import NGINX, WRK

BENCH = [sys.executable, "-m", "headrace", "bench"]


def run(*arguments, **options):
    return subprocess.run([*BENCH, *arguments], capture_output=True, text=True, timeout=120, check=False, **options)


def left_over(folder):
    """Processes that have a file of the folder open, as all that the bench starts have their logs."""
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in pids if any(str(folder) in path for path in files(pid))]


def files(pid):
    try:
        return [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


def test_a_peer_is_measured_and_everything_is_ended(need, tmp_path):
    need(NGINX, WRK)
    done = run("http1", "--quick", "--peers", "nginx", "--json", env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    (scenario,) = json.loads(done.stdout)["scenarios"]
    assert scenario["figures"]["nginx"]["median"] > 0
    assert list(tmp_path.iterdir()) == []
    assert left_over(tmp_path) == []


def test_sigterm_ends_everything(need, tmp_path):
    need(NGINX, WRK)
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [*BENCH, "http1", "--peers", "nginx", "--seconds", "60"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as bench:
        try:
            deadline = time.monotonic() + 30
            # The backend and the peer, each with a worker.
            while len(left_over(tmp_path)) < 4:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            bench.terminate()
    assert bench.returncode == 130
    assert left_over(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["http9"], "http9"),
        (["http1", "--peers", "apache"], "--peers: there is no apache; choose from headrace, nginx"),
        (["http1", "--attach", "1234"], "--attach 1234: not PID=URL"),
    ],
)
def test_wrong_usage_is_one_line(arguments, told):
    done = run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_program_is_named_with_what_to_install():
    # Debian's folders are searched whatever PATH says, so where to look is replaced.
    code = (
        "import headrace.bench.tools as tools\ntools.PLACES = '/nowhere'\n"
        "from headrace.__main__ import run\nraise SystemExit(run(['bench', 'http1']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "headrace: error: taskset is not installed; apt install util-linux"
