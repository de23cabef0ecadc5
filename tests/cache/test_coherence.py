"""Near caches of eight processes: whatever is set and invalidated, nobody reads what is older than the bound."""

import json
import subprocess
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from pathlib import Path

from headrace.cache.following import BOUND
from tests.processes import environment

from .cache_process import TOKEN, cache_process

PROCESSES, SECONDS = 8, 4.0
PROGRAM = Path(__file__).with_name("coherence_process.py")


def histories(url):
    """What each process did, one after the other."""
    own = environment({"HEADRACE_CACHE_TOKEN": TOKEN})
    commands = [[sys.executable, str(PROGRAM), url, str(at), str(PROCESSES), str(SECONDS)] for at in range(PROCESSES)]
    running = [
        subprocess.Popen(each, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own) for each in commands
    ]
    try:
        for process in running:
            assert process.stdout.readline() == "ready\n"
        for process in running:
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate(timeout=120)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert [process.returncode for process in running] == [0] * PROCESSES
    return [[json.loads(line) for line in each.splitlines()] for each in told]


def test_no_read_returns_what_is_older_than_the_bound(tmp_path):
    with cache_process(tmp_path / "service") as service:
        told = histories(service.url)
    changes, reads, sources = defaultdict(list), 0, Counter()
    for what, key, version, done, *_ in (event for history in told for event in history):
        if what == "changed":
            changes[key].append((done, version))
    for number, history in enumerate(told):
        for what, key, version, asked, *source in history:
            if what != "read":
                continue
            # What a process changed itself it sees at once.
            bound = 0 if key.startswith(f"{number}:") else BOUND
            before = bisect_right(changes[key], (asked - bound, 0))
            if before:
                done, wanted = changes[key][before - 1]
                assert version >= wanted, f"{key} is {version}, {asked - done:.3f} s after it was changed to {wanted}"
            reads += 1
            sources.update(source)
    assert reads > 4_000
    assert sources["near"] > reads / 4, sources
    assert sum(map(len, changes.values())) > 200
