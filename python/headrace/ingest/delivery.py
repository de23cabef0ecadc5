"""A batch on its way to the sink: attempts, pauses between them, and at last a place or the dead letters."""

import asyncio
import logging
import random
from collections.abc import Callable

from headrace.clock import Clock
from headrace.ingest.deadletters import DeadLetters
from headrace.ingest.failures import Pause, after
from headrace.ingest.gate import Gate
from headrace.ingest.insist import insist
from headrace.ingest.tally import Tally
from headrace.sinks import Batch, Held, Receipt, Rejected, Sink, SinkError

logger = logging.getLogger(__name__)


class Delivery:
    """Gives batches to a sink for several workers, who wait together when the sink is not to be bothered.

    Example: `receipt = await delivery.deliver(batch)`, which returns when nothing of the batch is left to be done.
    """

    def __init__(
        self, sink: Sink, letters: DeadLetters, tally: Tally, clock: Clock, uniform: Callable[[], float] = random.random
    ) -> None:
        self._sink = sink
        self._letters = letters
        self._tally = tally
        self._clock = clock
        self._uniform = uniform
        self._gate = Gate()

    async def deliver(self, batch: Batch) -> Receipt | None:
        """Where it landed; None when all of it was set aside."""
        attempt = 0
        while True:
            attempt += 1
            async with self._gate.attempt():
                outcome = await self._attempt(batch)
                pause = self._judge(outcome, attempt) if isinstance(outcome, SinkError) else None
                if pause and pause.shared:
                    self._gate.shut(pause.seconds)
                elif not pause:
                    self._mended()
            if isinstance(outcome, Receipt):
                return outcome
            if isinstance(outcome, Rejected):
                return await self._set_aside(batch, outcome)
            if pause and not pause.shared:
                await asyncio.sleep(pause.seconds)

    async def _attempt(self, batch: Batch) -> Receipt | SinkError:
        started = self._clock.monotonic()
        try:
            receipt = await self._sink.put(batch)
        except SinkError as error:
            return error
        except Exception as error:  # a worker that dies of it would lose nothing, but land nothing either
            logger.exception("unexpected error while landing")
            return Held(f"{type(error).__name__}: {error}", hint="this is an error of the sink's own")
        self._tally.uploads.add(self._clock.monotonic() - started)
        return receipt

    def _judge(self, error: SinkError, attempt: int) -> Pause | None:
        pause = after(error, attempt, self._uniform())
        self._tally.failures[type(error).__name__.lower()] += 1
        if pause and pause.told:
            if self._tally.held != str(error):
                logger.error("nothing lands: %s", error)
            self._tally.held = str(error)
        return pause

    def _mended(self) -> None:
        """It took a batch, or refused one for its own sake: it works."""
        self._gate.open()
        if self._tally.held:
            logger.warning("landing goes on")
            self._tally.held = ""

    async def _set_aside(self, batch: Batch, error: Rejected) -> Receipt | None:
        if error.numbers is not None and not error.numbers:
            return error.receipt
        count = batch.count if error.numbers is None else len(error.numbers)
        await insist(self._letters.add, batch, error.numbers, error.message)
        self._tally.set_aside += count
        logger.error("%d payloads were refused and are with the dead letters: %s", count, error)
        return error.receipt
