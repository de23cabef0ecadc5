from datetime import datetime, timedelta, timezone

import pytest

from headrace.certs.authority import Authority
from headrace.clock import Clock


class Calendar:
    """A wall clock that the test turns."""

    def __init__(self) -> None:
        self.now = datetime.now(timezone.utc)

    def pass_days(self, days: float) -> None:
        self.now += timedelta(days=days)

    @property
    def clock(self) -> Clock:
        return Clock(wall=lambda: self.now.timestamp())  # noqa: PLW0108 - `now` is read at each call


@pytest.fixture
def calendar():
    return Calendar()


@pytest.fixture
def authority(tmp_path, calendar):
    return Authority(tmp_path / "certs", calendar.clock)
