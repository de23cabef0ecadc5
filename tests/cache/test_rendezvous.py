"""Which server has a key."""

from collections import Counter

from headrace.cache.rendezvous import digest, place

SERVERS = [f"https://10.0.0.{at}:5000" for at in range(5)]
KEYS = [f"post:{at}" for at in range(20_000)]


def places(servers):
    seeds = [digest(name) for name in servers]
    return {key: servers[place(key, seeds)] for key in KEYS}


def test_keys_are_spread_evenly():
    counts = Counter(places(SERVERS).values())
    assert all(abs(count - len(KEYS) / 5) < len(KEYS) / 50 for count in counts.values())


def test_a_server_that_goes_takes_only_its_own_keys_with_it():
    before, after = places(SERVERS), places(SERVERS[:2] + SERVERS[3:])
    moved = [key for key in KEYS if before[key] != after[key]]
    assert moved == [key for key in KEYS if before[key] == SERVERS[2]]
    assert len(set(Counter(after[key] for key in moved))) == 4


def test_the_order_of_servers_does_not_matter():
    assert places(SERVERS) == places(SERVERS[::-1])


def test_every_version_of_every_program_comes_to_the_same_answer():
    seeds = [digest(name) for name in SERVERS]
    assert [place(key, seeds) for key in ("", "a", "post:3", "ü")] == [4, 2, 2, 0]
