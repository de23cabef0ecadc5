"""What the tests of the cache share."""

import pytest

from tests.cache.stores import DictCache


@pytest.fixture
def cache():
    return DictCache()
