"""A program that keeps what is slow to find: prices, renewed by one caller, invalidated when they change.

    headrace cache &
    python examples/cache/shop.py

Without a cache (`HEADRACE_CACHE_URL=https://127.0.0.1:1`) it says the same, slower.
"""

import time

from headrace import Cache

cache = Cache(prefix="shop:")


def slow_price(article: str) -> int:
    """What a data base far away says, in cents."""
    time.sleep(0.2)
    return 100 * len(article)


def price(article: str) -> int:
    """The price of an article, at most ten minutes old."""
    known = cache.get(f"price:{article}")
    if known is None:
        known = slow_price(article)
        cache.set(f"price:{article}", known, ttl="10m", tags=["prices"])
    return int(known)


def main() -> None:
    """Asks twice, invalidates, asks again."""
    for _ in range(2):
        began = time.perf_counter()
        print(f"mill: {price('mill')} cents, {time.perf_counter() - began:.1f} s")
    print(f"invalidated: {cache.invalidate(tag='prices')}")
    print(f"counted: {cache.counts()['hits']} hits, {cache.counts()['failures']} failures")
    cache.close()


if __name__ == "__main__":
    main()
