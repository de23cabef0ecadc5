"""Holding workers back, and letting one of them try."""

import asyncio

from headrace.ingest.gate import Gate

from .waiting import until


async def test_an_open_gate_lets_all_in_at_once():
    gate = Gate()
    async with gate.attempt(), gate.attempt(), gate.attempt():
        pass


async def test_behind_a_shut_gate_one_tries_at_a_time_and_after_success_all_do():
    gate = Gate()
    gate.shut(0.0)
    inside, most, mended = 0, 0, asyncio.Event()
    tries = 0

    async def worker():
        nonlocal inside, most, tries
        while True:
            async with gate.attempt():
                tries += 1
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                if mended.is_set():
                    gate.open()
                    return
                gate.shut(0.0)

    workers = [asyncio.create_task(worker()) for _ in range(10)]
    await until(lambda: tries >= 50)
    assert most == 1
    mended.set()
    await asyncio.wait_for(asyncio.gather(*workers), 10)


async def test_a_shut_gate_takes_its_time():
    gate, loop = Gate(), asyncio.get_running_loop()
    gate.shut(0.1)
    started = loop.time()
    async with gate.attempt():
        assert loop.time() - started >= 0.09


async def test_one_who_gives_up_while_trying_leaves_the_turn_to_the_next():
    gate = Gate()
    gate.shut(60.0)

    async def attempt():
        async with gate.attempt():
            gate.open()

    first = asyncio.create_task(attempt())
    await asyncio.sleep(0)
    second = asyncio.create_task(attempt())
    await asyncio.sleep(0)
    first.cancel()
    gate.shut(0.0)
    await asyncio.wait_for(second, 10)
    assert gate.is_open
