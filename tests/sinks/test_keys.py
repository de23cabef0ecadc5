"""How objects are named."""

from headrace.sinks import Batch, Runs
from headrace.sinks.keys import batch_key, payload_keys, payload_pattern

from .samples import batch, run

ORDERS = Batch("web-1", "orders", 490_000, Runs((run(7, 2), run(1000, 3))), "parquet")


def test_a_batch_is_named_by_its_hour_its_node_and_its_first_and_last_number():
    expected = "dt=2025-11-24/hour=16/node-0000000000000005-0000000000000007.ndjson.gz"
    assert batch_key(batch(5)) == expected


def test_a_stream_has_a_folder_of_its_own():
    expected = "orders/dt=2025-11-24/hour=16/web-1-0000000000000007-0000000000001002.parquet"
    assert batch_key(ORDERS) == expected


def test_a_payload_is_named_by_its_number():
    assert payload_keys(ORDERS)(1001) == "orders/dt=2025-11-24/hour=16/web-1-0000000000001001.json"
    assert payload_pattern(ORDERS) == "orders/dt=2025-11-24/hour=16/web-1-*.json"


def test_keys_of_an_hour_sort_by_number():
    keys = [batch_key(batch(first)) for first in (9, 10, 99_999, 100_000, 10**15)]
    assert keys == sorted(keys)


def test_hours_before_the_tenth_have_two_digits():
    assert "/hour=08/" in batch_key(batch(hour=490_000 - 8))
