"""The handler in processes that fork, end and are killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.processes import environment, until

SETUP = """
import logging, os, sys, time
import headrace.logs
log = logging.getLogger("shop")
log.setLevel(logging.INFO)
handler = headrace.logs.Handler(sys.argv[1], source="shop")
log.addHandler(handler)
"""


@pytest.fixture
def start(tmp_path):
    running = []

    def program(text, url, **options):
        env = environment({"HEADRACE_HOME": str(tmp_path / "state")})
        command = [sys.executable, "-c", SETUP + text, url]
        running.append(subprocess.Popen(command, env=env, text=True, start_new_session=True, **options))
        return running[-1]

    yield program
    for each in running:
        if each.poll() is None:
            os.killpg(each.pid, signal.SIGKILL)
        each.wait()


def test_what_was_logged_leaves_before_the_process_ends(collector, start):
    assert start("for n in range(1000): log.info('%d', n)", collector.url).wait(60) == 0
    assert collector.messages == [str(number) for number in range(1000)]


@pytest.mark.parametrize("end", ["raise RuntimeError('oh')", "raise KeyboardInterrupt", "sys.exit(3)"])
def test_an_end_by_an_error_loses_nothing(collector, start, end):
    assert start(f"log.info('last words')\n{end}", collector.url, stderr=subprocess.DEVNULL).wait(60) != 0
    assert collector.messages == ["last words"]


def test_a_fork_has_a_way_out_of_its_own(collector, start):
    program = """
log.info("parent before")
children = []
for number in range(4):
    pid = os.fork()
    if not pid:
        for n in range(100): log.info("child %d %d", number, n)
        sys.exit(0)
    children.append(pid)
log.info("parent after")
for pid in children: os.waitpid(pid, 0)
"""
    assert start(program, collector.url, stderr=subprocess.DEVNULL).wait(60) == 0
    expected = [f"child {child} {number}" for child in range(4) for number in range(100)]
    assert sorted(collector.messages) == sorted(["parent before", "parent after", *expected])


def test_a_fork_while_other_threads_log_does_not_hang(collector, start):
    program = """
import threading
stop = False
def chatter():
    while not stop:
        log.info("chatter" * 100)
threads = [threading.Thread(target=chatter, daemon=True) for _ in range(4)]
for thread in threads: thread.start()
for number in range(20):
    pid = os.fork()
    if not pid:
        log.info("child %d", number)
        handler.flush()
        handler.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop = True
for thread in threads: thread.join()
"""
    assert start(program, collector.url, stderr=subprocess.DEVNULL).wait(120) == 0
    children = {message for message in collector.messages if message.startswith("child")}
    assert children == {f"child {number}" for number in range(20)}


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_processes_of_multiprocessing_flush_before_they_end(collector, tmp_path, method):
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import logging, multiprocessing, sys
from headrace.logs import Handler

log = logging.getLogger("shop")
log.setLevel(logging.INFO)

def work(url, number):
    if not log.handlers:
        log.addHandler(Handler(url, source="shop"))
    log.info("%d", number)

if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    log.addHandler(Handler(sys.argv[1], source="shop"))
    processes = [context.Process(target=work, args=(sys.argv[1], n)) for n in range(3)]
    for process in processes: process.start()
    for process in processes: process.join()
"""
    )
    env = environment({"HEADRACE_HOME": str(tmp_path / "state")})
    subprocess.run([sys.executable, program, collector.url], env=env, check=True, timeout=60, stderr=subprocess.DEVNULL)
    assert sorted(collector.messages) == ["0", "1", "2"]


def test_what_a_killed_process_had_kept_is_delivered_by_the_next_one(collector, start, tmp_path):
    collector.answers = [503] * 1000
    killed = start("log.error('kept')\nhandler.flush()\nprint('safe', flush=True)\ntime.sleep(60)", collector.url,
                   stdout=subprocess.PIPE)  # fmt: skip
    assert killed.stdout.readline() == "safe\n"
    killed.kill()
    killed.wait()
    killed.stdout.close()
    collector.answers = []
    assert start("log.error('next')\ntime.sleep(1)", collector.url).wait(60) == 0
    assert sorted(until(lambda: len(collector.messages) == 2 and collector.messages)) == ["kept", "next"]
    folder = tmp_path / "state" / "logs" / "spill"
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_an_end_without_a_collector_is_quick(start):
    started = time.monotonic()
    assert start("log.info('nobody hears this')", "http://127.0.0.1:1").wait(60) == 0
    assert time.monotonic() - started < 30
