"""kill -9 at random instants, with clients that go on: `HEADRACE_ORACLE_KILLS=100` for a hundred of them."""

import os
import subprocess
import time
from random import Random

import pytest

from tests.processes import HEADRACE, environment

from .ledger import Verdict
from .scenario import Scenario, kill

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

KILLS = int(os.environ.get("HEADRACE_ORACLE_KILLS", "10"))
SEED = int(os.environ.get("HEADRACE_ORACLE_SEED", "0"))


@pytest.mark.timeout(60 + 30 * KILLS)
def test_kills_at_random_instants_lose_nothing_and_land_nothing_twice(tmp_path):
    scenario, random = Scenario(tmp_path, seed=SEED), Random(SEED)
    with scenario.posted() as clients:
        for _ in range(KILLS):
            if random.random() < 0.2:
                begin_and_kill(scenario, random.uniform(0.2, 1.5))
            with scenario.life("--batch-age", "5ms") as service:
                clients.more(random.randrange(40))
                time.sleep(random.uniform(0, 0.03))  # so that kills don't follow upon answers
                kill(service)
    scenario.settle()
    assert scenario.verdict() == Verdict()


def begin_and_kill(scenario, seconds):
    """A start that comes to no good end, at whatever it was by then."""
    told = ["--address", scenario.address, "--admin", "127.0.0.1:0", "--plain", "--state", str(scenario.state)]
    begun = subprocess.Popen(
        [*HEADRACE, "ingest", *told, "--batch-age", "5ms"],
        cwd=scenario.folder,
        env=environment(scenario.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        begun.wait(seconds)
    except subprocess.TimeoutExpired:
        begun.kill()
    begun.wait()
