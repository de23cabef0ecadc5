"""A decorated function: a call of it, from the cache to the function and back.

A fresh value is given at once. A stale one too, and a thread renews it. Otherwise one caller of this process flies
(`flight.py`), and of those of all processes one has the lease and calls the function. Whoever waited in vain, or finds
the cache away, calls the function, and nothing is kept.
"""

import time
from collections.abc import Callable
from typing import Any, Concatenate, Generic, overload

from headrace.cache.backend import Found, Lease
from headrace.cache.background import threads
from headrace.cache.decorated import MISSING, Decorated, P, Q, R
from headrace.cache.flight import Abandoned, Failed, Flight, Landed, Outdated
from headrace.cache.hit import Hit
from headrace.cache.policy import Answer, calling, is_called


class CachedFunction(Decorated[P], Generic[P, R]):
    """What `cached` makes of a function.

    Example:
        show_post(3)                   # from the cache, or the function
        show_post.hit(3)               # Hit(value=..., age=12.5, stale=False, source="memory")
        show_post.invalidate(3)        # removes it: True
        show_post.refresh(3)           # calls the function now and keeps what it gives
        show_post.uncached(3)          # the function itself
        show_post.key(3)               # "post:3"; and show_post.tags(3)
    """

    uncached: Callable[P, R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The value, from the cache or from the function."""
        # Every nanosecond of a hit is here: most calls have no keywords, and need not unpack them.
        key = self.key(*args, **kwargs) if kwargs else self.key(*args)  # type: ignore[call-arg]
        value: R = self._direct(key)
        return self._hit(key, args, kwargs).value if value is MISSING else value

    def hit(self, *args: P.args, **kwargs: P.kwargs) -> Hit[R]:
        """As a call, with where the value comes from."""
        self._open()
        return self._hit(self.key(*args, **kwargs), args, kwargs)

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Removes the value for these arguments; whether there was one. What is being computed now is not kept."""
        self._open()
        key = self.key(*args, **kwargs)
        removed = self._backend.invalidate(key=key)
        self._flights.close(key)
        return removed > 0

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function and keeps what it gives; others have the old value meanwhile, where it may be stale."""
        self._open()
        key = self.key(*args, **kwargs)
        self._backend.invalidate(key=key, soft=True)
        self._flights.close(key)
        hit: Hit[R] = self._fly(key, args, kwargs)
        # Another process renews it; its value may be older than this call.
        return self.uncached(*args, **kwargs) if hit.stale else hit.value

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> "CachedFunction[P, R]": ...
    @overload
    def __get__(
        self: "CachedFunction[Concatenate[Any, Q], R]", instance: object, owner: type | None = None
    ) -> "CachedFunction[Q, R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As a method."""
        return self._bound(instance, owner)

    def _hit(self, key: str, args: Any, kwargs: Any) -> Hit[R]:  # noqa: ANN401 - the function's own
        hit = self._reader.found(self._backend.get(key))
        if hit is None:
            return self._fly(key, args, kwargs)
        if hit.stale:
            self._renew_later(key, args, kwargs)
        return hit

    def _fly(self, key: str, args: Any, kwargs: Any) -> Hit[R]:  # noqa: ANN401 - the function's own
        """What a flight brings, of one's own or another's."""
        deadline, waited = time.monotonic() + self._policy.wait, False
        while not is_called(self._flights, key) and (left := deadline - time.monotonic()) > 0:
            flight, first = self._flights.join(key)
            if first:
                return self._reader.hit(self._lead(flight, args, kwargs, wait=left))
            match flight.wait(left):
                case Landed(answer):
                    return self._reader.hit(answer)
                case Outdated(answer) if waited:  # that flight began after this call
                    return self._reader.hit(answer)
                case Failed() as failed:
                    raise failed.again()
                case None:
                    self._flights.close(key, flight)
            waited = True
        return self._reader.hit(self._call(key, args, kwargs))

    def _lead(self, flight: Flight[Answer], args: Any, kwargs: Any, wait: float) -> Answer:  # noqa: ANN401
        """The answer, by the cache or by a call; the flight ends with it."""
        with self._flights.leading(flight):
            leased = self._backend.lease(flight.key, seconds=self._policy.lease, wait=wait)
            if isinstance(leased, Lease):
                return self._fulfil(flight, leased, args, kwargs)
            answer = self._reader.answer(leased) if isinstance(leased, Found) else None
            answer = answer or self._call(flight.key, args, kwargs)
            self._flights.end(flight, Landed(answer))
            return answer

    def _fulfil(self, flight: Flight[Answer], lease: Lease, args: Any, kwargs: Any) -> Answer:  # noqa: ANN401
        """Calls the function and keeps what it gives, now or later."""
        try:
            tags = self.tags(*args, **kwargs)
            answer = self._call(flight.key, args, kwargs)
        except BaseException:
            self._backend.give_up(lease)
            raise
        if self._policy.save == "now" or not threads.give(lambda: self._keep(flight, lease, answer, tags)):
            self._keep(flight, lease, answer, tags)
        return answer

    def _call(self, key: str, args: Any, kwargs: Any) -> Answer:  # noqa: ANN401 - the function's own
        with calling(self._flights, key):
            value = self.uncached(*args, **kwargs)
        return self._reader.called(value)

    def _keep(self, flight: Flight[Answer], lease: Lease, answer: Answer, tags: list[str]) -> None:
        """Keeps the answer, and lets the others have it."""
        policy, kept = self._policy, answer.data is None
        with self._flights.leading(flight):
            if answer.data is not None:
                kept = self._backend.set(
                    flight.key, answer.data, ttl=policy.ttl, stale=policy.stale, tags=tags, lease=lease
                )
            if answer.data is None or not kept:
                self._backend.give_up(lease)
            self._flights.end(flight, Landed(answer) if kept else Outdated(answer))

    def _renew_later(self, key: str, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - the function's own
        flight, first = self._flights.join(key)
        if first and not threads.give(lambda: self._renew(flight, args, kwargs)):
            self._flights.end(flight, Abandoned())

    def _renew(self, flight: Flight[Answer], args: Any, kwargs: Any) -> None:  # noqa: ANN401 - the function's own
        try:
            with self._flights.leading(flight):
                leased = self._backend.lease(flight.key, seconds=self._policy.lease, wait=0)
                if isinstance(leased, Lease):
                    self._fulfil(flight, leased, args, kwargs)
                    self._renewals.succeeded()
                else:  # another process renews it
                    self._flights.end(flight, Abandoned())
        except Exception as error:  # noqa: BLE001 - told
            self._renewals.failed(error)
