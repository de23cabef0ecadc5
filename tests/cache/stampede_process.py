"""A process with many callers of one decorated function: half are threads, half are tasks.

`python stampede_process.py URL CALLS CALLERS` waits for a line, lets all call, and prints how many had the value. Each
call of the function itself adds a line to the file CALLS.
"""

import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from headrace import Cache, cached

url, calls, callers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
cache = Cache(url, timeout=10)


def note(name):
    with calls.open("a") as file:
        file.write(f"{name} {os.getpid()}\n")
    time.sleep(0.3)
    return {"name": name}


@cached(ttl="10m", key="function:{number}", cache=cache, wait="120s", lease="120s")
def show(number):
    return note("function")


@cached(ttl="10m", key="coroutine:{number}", cache=cache, wait="120s", lease="120s")
async def show_later(number):
    return await asyncio.to_thread(note, "coroutine")


async def tasks(count):
    return await asyncio.gather(*(show_later(3) for _ in range(count)))


print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(callers // 2 + 1) as pool:
    later = pool.submit(asyncio.run, tasks(callers // 2))
    values = [value["name"] for value in pool.map(lambda _: show(3), range(callers // 2))]
    values += [value["name"] for value in later.result()]
print(values.count("function"), values.count("coroutine"), flush=True)
