"""A decorated coroutine function: as `functions.py`, with tasks for threads.

Whoever flies does so in a task of its own, so that the cancellation of one who waits is nobody else's.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, overload

from headrace.cache.backend import Found, Lease
from headrace.cache.background import tasks
from headrace.cache.decorated import MISSING, Decorated, P, Q, R
from headrace.cache.flight import Abandoned, Failed, Flight, Landed, Outdated
from headrace.cache.hit import Hit
from headrace.cache.policy import Answer, calling, is_called


class CachedCoroutineFunction(Decorated[P], Generic[P, R]):
    """What `cached` makes of a coroutine function.

    Example:
        await show_post(3)                   # from the cache, or the function
        await show_post.hit(3)               # Hit(value=..., age=12.5, stale=False, source="memory")
        await show_post.invalidate(3)        # removes it: True
        await show_post.refresh(3)           # calls the function now and keeps what it gives
        await show_post.uncached(3)          # the function itself
        show_post.key(3)                     # "post:3"; and show_post.tags(3)
    """

    uncached: Callable[P, Coroutine[Any, Any, R]]

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The value, from the cache or from the function."""
        # Every nanosecond of a hit is here: most calls have no keywords, and need not unpack them.
        key = self.key(*args, **kwargs) if kwargs else self.key(*args)  # type: ignore[call-arg]
        value: R = self._direct(key)
        return (await self._hit(key, args, kwargs)).value if value is MISSING else value

    async def hit(self, *args: P.args, **kwargs: P.kwargs) -> Hit[R]:
        """As a call, with where the value comes from."""
        self._open()
        return await self._hit(self.key(*args, **kwargs), args, kwargs)

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Removes the value for these arguments; whether there was one. What is being computed now is not kept."""
        self._open()
        key = self.key(*args, **kwargs)
        removed = await self._backend.ainvalidate(key=key)
        self._flights.close(key)
        return removed > 0

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function and keeps what it gives; others have the old value meanwhile, where it may be stale."""
        self._open()
        key = self.key(*args, **kwargs)
        await self._backend.ainvalidate(key=key, soft=True)
        self._flights.close(key)
        hit: Hit[R] = await self._fly(key, args, kwargs)
        # Another process renews it; its value may be older than this call.
        return await self.uncached(*args, **kwargs) if hit.stale else hit.value

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> "CachedCoroutineFunction[P, R]": ...
    @overload
    def __get__(
        self: "CachedCoroutineFunction[Concatenate[Any, Q], R]", instance: object, owner: type | None = None
    ) -> "CachedCoroutineFunction[Q, R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As a method."""
        return self._bound(instance, owner)

    async def _hit(self, key: str, args: Any, kwargs: Any) -> Hit[R]:  # noqa: ANN401 - the function's own
        hit = self._reader.found(await self._backend.aget(key))
        if hit is None:
            return await self._fly(key, args, kwargs)
        if hit.stale:
            self._renew_later(key, args, kwargs)
        return hit

    async def _fly(self, key: str, args: Any, kwargs: Any) -> Hit[R]:  # noqa: ANN401 - the function's own
        """What a flight brings, of one's own or another's."""
        deadline, waited = time.monotonic() + self._policy.wait, False
        while not is_called(self._flights, key) and (left := deadline - time.monotonic()) > 0:
            flight, first = self._flights.join(key)
            if first:
                # The first one waits for its own task: what it does after the answer is for the others.
                return self._reader.hit(await asyncio.shield(tasks.give(self._lead(flight, args, kwargs, wait=left))))
            match await flight.wait_async(left):
                case Landed(answer):
                    return self._reader.hit(answer)
                case Outdated(answer) if waited:  # that flight began after this call
                    return self._reader.hit(answer)
                case Failed() as failed:
                    raise failed.again()
                case None:
                    self._flights.close(key, flight)
            waited = True
        return self._reader.hit(await self._call(key, args, kwargs))

    async def _lead(self, flight: Flight[Answer], args: Any, kwargs: Any, wait: float) -> Answer:  # noqa: ANN401
        """The answer, by the cache or by a call; the flight ends with it."""
        with self._flights.leading(flight):
            leased = await self._backend.alease(flight.key, seconds=self._policy.lease, wait=wait)
            if isinstance(leased, Lease):
                return await self._fulfil(flight, leased, args, kwargs)
            answer = self._reader.answer(leased) if isinstance(leased, Found) else None
            answer = answer or await self._call(flight.key, args, kwargs)
            self._flights.end(flight, Landed(answer))
            return answer

    async def _fulfil(self, flight: Flight[Answer], lease: Lease, args: Any, kwargs: Any) -> Answer:  # noqa: ANN401
        """Calls the function and keeps what it gives, now or later."""
        try:
            tags = self.tags(*args, **kwargs)
            answer = await self._call(flight.key, args, kwargs)
        except BaseException:
            await self._backend.agive_up(lease)
            raise
        saving = self._keep(flight, lease, answer, tags)
        if self._policy.save == "later":
            tasks.give(saving)
        else:
            await saving
        return answer

    async def _call(self, key: str, args: Any, kwargs: Any) -> Answer:  # noqa: ANN401 - the function's own
        with calling(self._flights, key):
            value = await self.uncached(*args, **kwargs)
        return self._reader.called(value)

    async def _keep(self, flight: Flight[Answer], lease: Lease, answer: Answer, tags: list[str]) -> None:
        """Keeps the answer, and lets the others have it."""
        policy, kept = self._policy, answer.data is None
        with self._flights.leading(flight):
            if answer.data is not None:
                kept = await self._backend.aset(
                    flight.key, answer.data, ttl=policy.ttl, stale=policy.stale, tags=tags, lease=lease
                )
            if answer.data is None or not kept:
                await self._backend.agive_up(lease)
            self._flights.end(flight, Landed(answer) if kept else Outdated(answer))

    def _renew_later(self, key: str, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - the function's own
        flight, first = self._flights.join(key)
        if first:
            tasks.give(self._renew(flight, args, kwargs))

    async def _renew(self, flight: Flight[Answer], args: Any, kwargs: Any) -> None:  # noqa: ANN401 - the function's own
        try:
            with self._flights.leading(flight):
                leased = await self._backend.alease(flight.key, seconds=self._policy.lease, wait=0)
                if isinstance(leased, Lease):
                    await self._fulfil(flight, leased, args, kwargs)
                    self._renewals.succeeded()
                else:  # another process renews it
                    self._flights.end(flight, Abandoned())
        except Exception as error:  # noqa: BLE001 - told
            self._renewals.failed(error)
