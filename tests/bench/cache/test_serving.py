import pytest

from headrace.bench.cache.serving import SERVING
from headrace.bench.load import Generator
from headrace.bench.rig import Effort, Rig


@pytest.mark.parametrize("contestant", SERVING[0].contestants, ids=lambda contestant: contestant.name)
def test_each_contestant_gives_the_value(setting, need, contestant):
    need(*contestant.tools)
    sample = contestant.measure(Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1)))
    assert sample.valid, sample
    assert sample.value > 0
    assert "k GET/s" in sample.note
