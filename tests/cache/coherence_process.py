"""A process that sets and invalidates keys of its own, and reads everybody's.

`python coherence_process.py URL NUMBER PROCESSES SECONDS` waits for a line, then prints what it did as lines of JSON:
`["changed", key, version, done]`, where from `done` on no value below `version` is to be found, and
`["read", key, version, asked, source]`. Times are of the monotonic clock, which all processes have in common.
"""

import json
import random
import sys
import time

from headrace import Cache

KEYS = 3  # of each process
url, number, processes, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
chance = random.Random(number)
history = []


def change(cache, version):
    """Sets one of its own keys, or invalidates one or all of them, with values of this version or none to follow."""
    mine = [f"{number}:{at}" for at in range(KEYS)]
    key = chance.choice(mine)
    how = chance.choice(["set", "set", "set", "key", "tag", "tag of one", "prefix"])
    if how == "set":
        cache.set(key, version, ttl=60, tags=[f"of-{number}", f"of-{key}"])
    else:
        what = {
            "key": {"key": key},
            "tag": {"tag": f"of-{number}"},
            "tag of one": {"tag": f"of-{key}"},
            "prefix": {"prefix": f"{number}:"},
        }
        cache.invalidate(**what[how])
    done = time.monotonic()
    history.extend(["changed", each, version, done] for each in (mine if how in ("tag", "prefix") else [key]))


def read(cache):
    key = f"{chance.randrange(processes)}:{chance.randrange(KEYS)}"
    asked = time.monotonic()
    found = cache.backend.get(key)
    if found is not None:
        history.append(["read", key, int(found.value), asked, found.source])


with Cache(url, near=1 << 20, timeout=10) as cache:
    cache.get("ready")  # begins to follow
    print("ready", flush=True)
    sys.stdin.readline()
    end, version = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        version += 1
        change(cache, version)
        for _ in range(40):
            read(cache)
        time.sleep(0.01)
    failures = cache.counts()["failures"]
print("\n".join(map(json.dumps, history)))
sys.exit(f"{failures} calls failed" if failures else 0)
