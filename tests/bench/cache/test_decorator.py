import pytest

from headrace.bench.cache.scenarios import CACHE, call
from headrace.bench.load import Generator
from headrace.bench.rig import Effort, Rig


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_call_is_measured(setting, kind):
    rig = Rig(setting, Generator(setting.core, setting.folder), 0, Effort(seconds=1, rounds=1))
    sample = call(kind, "headrace", rig)
    assert sample.valid
    assert sample.value > 0


def test_ours_is_compared_with_libraries_of_the_same_kind():
    decorated = [scenario for scenario in CACHE if scenario.name.startswith("cache-decorator")]
    names = [[each.name for each in scenario.contestants] for scenario in decorated]
    assert names == [["headrace", "cachetools", "dogpile.cache"], ["headrace", "aiocache", "cashews"]]
