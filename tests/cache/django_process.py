"""A process that adds: `python django_process.py LOCATION TIMES` waits for a line and adds 1 to `n` so many times."""

import asyncio
import sys

from django.conf import settings

settings.configure(
    CACHES={
        "default": {
            "BACKEND": "headrace.cache.django.CacheBackend",
            "LOCATION": sys.argv[1],
            "OPTIONS": {"timeout": 10},
        }
    }
)

from django.core.cache import cache  # noqa: E402 - after the settings

print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    _ = cache.incr("n") if number % 2 else asyncio.run(cache.aincr("n"))
