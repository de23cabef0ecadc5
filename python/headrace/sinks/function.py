"""Batches for a function of the user's: `--to module:function`.

At least once: what a crash or an error interrupts comes again, so the function tells payloads apart by their `id`.
What it raises says what happens next.

| it raises | then |
|---|---|
| nothing | the batch has landed |
| `headrace.sinks.Transient`, `ConnectionError`, `TimeoutError` | again later, as often as it takes |
| `headrace.sinks.Held` | the same, and somebody is told |
| anything else | again, `ATTEMPTS` times in all; then in halves, until it is known which payloads it can't take |

A batch of which many payloads fail and none passes says more about the function than about them: it is held.
"""

import asyncio
import importlib
import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from headrace.errors import OperationError, UsageError
from headrace.sinks.batch import Batch
from headrace.sinks.sink import Held, Receipt, Rejected, SinkError, Transient

ATTEMPTS: Final = 3
FIRST_PAUSE: Final = 0.1  # seconds between two attempts, doubled each time
SUSPECT: Final = 8  # payloads that fail before one passes, and the function is suspected


@dataclass(frozen=True)
class Payload:
    """What the function gets a list of: `id` names it for ever and across nodes, `body` is its JSON as posted."""

    id: str
    stream: str
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever was posted
        """The body as Python values."""
        return json.loads(self.body)


Function = Callable[[Sequence[Payload]], Awaitable[None] | None]


class FunctionSink:
    """Calls `function` with lists of payloads, one call for each worker at a time.

    Example: `FunctionSink.named("shop:store")` with `async def store(payloads): await db.insert([p.json() for p in
    payloads])`. A function that isn't async runs in a thread.
    """

    def __init__(self, function: Function, name: str, *, pause: float = FIRST_PAUSE) -> None:
        self._function = function
        self._name = name
        self._pause = pause
        self._async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - an object whose call is async
        )

    @classmethod
    def named(cls, name: str) -> "FunctionSink":
        """The sink of `module:function`, found in the current folder or on the Python path.

        Raises `UsageError` for what can't be a function's name, `OperationError` when it can't be imported or called.
        """
        return cls(_function_named(name), name)

    async def put(self, batch: Batch) -> Receipt:
        """Returns once the function took every payload. Raises what the table above says."""
        numbered = await asyncio.to_thread(list, batch.payloads())
        numbers = [number for number, _ in numbered]
        payloads = [Payload(f"{batch.node}-{number}", batch.stream, body) for number, body in numbered]
        delivery = _Delivery(self, payloads)
        await delivery.deliver(0, len(payloads))
        receipt = Receipt(self._name, batch.size)
        if delivery.refused:
            reason = next(iter(delivery.refused.values()))
            refused = [numbers[index] for index in delivery.refused]
            raise Rejected(f"{self._name} {reason}", numbers=refused, receipt=receipt)
        return receipt

    async def close(self) -> None:
        """Nothing is held."""

    async def attempt(self, payloads: Sequence[Payload], times: int) -> str:
        """Calls the function up to `times`; what it raised at last, empty when it took the payloads."""
        for attempt in range(times):
            if attempt:
                await asyncio.sleep(self._pause * 2.0 ** (attempt - 1))
            try:
                await self._call(payloads)
            except SinkError:
                raise
            except (ConnectionError, TimeoutError, asyncio.TimeoutError) as error:
                raise Transient(f"{self._name} raised {_described(error)}") from error
            except Exception as error:  # noqa: BLE001 - whatever the user's code raises
                raised = _described(error)
            else:
                return ""
        return f"raised {raised}"

    async def _call(self, payloads: Sequence[Payload]) -> None:
        if self._async:
            result = self._function(payloads)
        else:
            result = await asyncio.to_thread(self._function, payloads)
        if inspect.isawaitable(result):
            await result

    def suspect(self, reason: str) -> Held:
        """What is raised when it isn't the payloads."""
        return Held(f"{self._name} {reason}, whatever it is given", hint="mend it and restart; nothing is lost")


class _Delivery:
    """One batch on its way, and by index the payloads that are found to be refused."""

    def __init__(self, sink: FunctionSink, payloads: Sequence[Payload]) -> None:
        self._sink = sink
        self._payloads = payloads
        self._passed = False
        self.refused: dict[int, str] = {}

    async def deliver(self, start: int, end: int) -> None:
        whole_or_single = end - start in (1, len(self._payloads))
        reason = await self._sink.attempt(self._payloads[start:end], ATTEMPTS if whole_or_single else 1)
        if not reason:
            self._passed = True
        elif end - start > 1:
            middle = (start + end) // 2
            await self.deliver(start, middle)
            await self.deliver(middle, end)
        else:
            self.refused[start] = reason
            if not self._passed and len(self.refused) == SUSPECT:
                raise self._sink.suspect(reason)


def _function_named(name: str) -> Function:
    module, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        raise UsageError(f"{name} can't be the name of a function", hint="write module:function, as in shop:store")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = attrgetter(attribute)(importlib.import_module(module))
    except (Exception, SystemExit) as error:
        raise OperationError(f"cannot import {name}: {_described(error)}", hint=f"looked in {folder}, too") from error
    if not callable(found):
        raise OperationError(f"{name} is a {type(found).__name__}, not a function")
    function: Function = found
    return function


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
