"""Clients that post without pause and keep book of what they are told."""

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator

from tests.processes import until

from .ledger import Collection, Fate, Ledger

PATIENCE = 20.0  # seconds for an answer; a bound only
PAUSE = 0.003  # seconds between two posts: the machine has other work to do


class Client(threading.Thread):
    """Posts one collection after the other; with keys each one until it is accepted, else each one once."""

    def __init__(self, address: str, ledger: Ledger, *, keyed: bool) -> None:
        super().__init__(name="client", daemon=True)
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        self._ledger = ledger
        self._keyed = keyed
        self.leave = threading.Event()
        self.answers = Counter[str]()

    def run(self) -> None:
        while not self.leave.is_set():
            self._see_through(self._ledger.collection(keyed=self._keyed))
        self._connection.close()

    def _see_through(self, collection: Collection) -> None:
        sent = False
        while not self.leave.wait(PAUSE) and (not sent or (self._keyed and collection.fate is not Fate.ACCEPTED)):
            sent = self._post(collection) or sent

    def _post(self, collection: Collection) -> bool:
        """Whether there was somebody to send it to."""
        headers = {"Content-Type": "application/json"}
        if collection.key is not None:
            headers["Idempotency-Key"] = collection.key
        body = json.dumps({"version": "1", "token": "", "data": collection.payloads})
        try:
            self._connection.request("POST", "/", body, headers)
            answer = self._connection.getresponse()
            said = json.loads(answer.read())
        except ConnectionRefusedError:
            self._connection.close()
            return False
        except (OSError, http.client.HTTPException, ValueError):  # no answer, or none that is whole
            self._connection.close()
            collection.unanswered()
            return True
        self.answers[said.get("error", "accepted")] += 1
        collection.answered(answer.status)
        return True


class Crowd:
    """Several clients, half of them with keys."""

    def __init__(self, clients: list[Client], ledger: Ledger) -> None:
        self._clients = clients
        self._ledger = ledger

    def more(self, collections: int) -> None:
        """Until so many more collections are accepted."""
        wanted = self._ledger.count(Fate.ACCEPTED) + collections
        until(lambda: self._ledger.count(Fate.ACCEPTED) >= wanted, what="accepted collections")

    def hear(self, answer: str) -> None:
        """Until clients are told so once more: `accepted`, or the name of an error."""
        with self.hearing(answer):
            pass

    @contextlib.contextmanager
    def hearing(self, answer: str) -> Iterator[None]:
        """The same, counted from the beginning of the block: what happens in it may be told at once."""
        before = self.heard(answer)
        yield
        until(lambda: self.heard(answer) > before, what=f"answer {answer}")

    def heard(self, answer: str) -> int:
        return sum(client.answers[answer] for client in self._clients)

    def leave(self) -> None:
        for client in self._clients:
            client.leave.set()
        deadline = time.monotonic() + 2 * PATIENCE
        for client in self._clients:
            client.join(max(0.0, deadline - time.monotonic()))
            assert not client.is_alive(), "a client hangs"


@contextlib.contextmanager
def crowd(address: str, ledger: Ledger, clients: int = 4) -> Iterator[Crowd]:
    """Clients that post to `address`, whoever is there, until the block ends."""
    posting = Crowd([Client(address, ledger, keyed=number % 2 == 0) for number in range(clients)], ledger)
    for client in posting._clients:
        client.start()
    try:
        yield posting
    finally:
        posting.leave()
