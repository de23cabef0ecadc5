"""What follows from a batch that didn't land."""

import pytest

from headrace.ingest.failures import Pause, after
from headrace.sinks import Held, Rejected, Transient

AWAY = Transient("away")
BUSY = Transient("busy", slow_down=True)
DENIED = Held("denied")


@pytest.mark.parametrize(
    ("error", "attempt", "jitter", "pause"),
    [
        (AWAY, 1, 1.0, Pause(0.1, shared=False, told=False)),
        (AWAY, 1, 0.5, Pause(0.05, shared=False, told=False)),
        (AWAY, 1, 0.0, Pause(0.0, shared=False, told=False)),
        (AWAY, 4, 1.0, Pause(0.8, shared=False, told=False)),
        (AWAY, 5, 1.0, Pause(1.6, shared=False, told=True)),
        (AWAY, 10, 1.0, Pause(30.0, shared=False, told=True)),
        (AWAY, 10_000, 1.0, Pause(30.0, shared=False, told=True)),
        (BUSY, 1, 1.0, Pause(1.0, shared=True, told=False)),
        (BUSY, 5, 0.5, Pause(8.0, shared=True, told=True)),
        (BUSY, 100, 1.0, Pause(60.0, shared=True, told=True)),
        (Transient("busy", retry_after=20.0), 1, 0.0, Pause(20.0, shared=True, told=False)),
        (Transient("busy", retry_after=20.0), 3, 1.0, Pause(22.0, shared=True, told=False)),
        (DENIED, 1, 1.0, Pause(1.0, shared=True, told=True)),
        (DENIED, 3, 0.5, Pause(2.0, shared=True, told=True)),
        (DENIED, 50, 1.0, Pause(60.0, shared=True, told=True)),
        (Rejected("too large"), 1, 1.0, None),
        (Rejected("too large", numbers=[1]), 9, 1.0, None),
    ],
)
def test_each_error_has_its_consequence(error, attempt, jitter, pause):
    assert after(error, attempt, jitter) == pause
