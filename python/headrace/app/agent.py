"""Registers a worker with the balancer, keeps the lease, and says goodbye.

It is a thread of the worker: an app that blocks the event loop doesn't lose its lease (that it doesn't answer is for
the balancer's probes to find out). One call a second on a kept connection costs well under a millisecond.
"""

import http.client
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlencode

from headrace.app.dial import Dial, Reply, words
from headrace.app.lease import TAKES, Answer, Lease, Step, after
from headrace.app.place import Place
from headrace.app.plan import Membership
from headrace.errors import HeadraceError
from headrace.state import StateFolder

CALL_TIMEOUT = 3.0  # seconds; a lease lasts ten
PING_TIMEOUT = 5.0
FIRST_PING = 0.01
LONGEST_PING = 5.12  # FIRST_PING, doubled nine times
DOUBT = "; is that its admin port, as in https://127.0.0.1:2001?"

logger = logging.getLogger(__name__)


class Agent(threading.Thread):
    """Speaks for the worker at `place`.

    Example: `agent.start()` once the worker listens; `agent.leave(24.0)` from another thread before it stops.
    `settled` is called once, from the thread: the balancer picks the worker, or can't be waited for.
    """

    def __init__(
        self,
        membership: Membership,
        place: Place,
        ping_path: str,
        own_ca: str | None,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="agent", daemon=True)
        self._membership = membership
        self._place = place
        self._ping_path = ping_path
        self._own = Dial.to_place(place, own_ca)
        self._balancer = Dial.to_url(membership.url, membership.ca)
        self._leaving = threading.Event()
        self._patience = 0.0
        self._settled = settled
        self._query = _query(membership, place)
        self._token = ""

    def run(self) -> None:
        """Waits for the worker's own ping, then keeps the lease until `leave`."""
        try:
            if self._until_answered():
                lease = self._keep()
                if lease.held:
                    self._unregister()
        finally:
            self._own.close()
            self._balancer.close()

    def leave(self, patience: float) -> None:
        """Unregisters, and waits up to `patience` seconds until the balancer has nothing in flight here any more."""
        self._patience = patience
        self._leaving.set()
        if self.is_alive():
            self.join(patience + CALL_TIMEOUT)

    def _until_answered(self) -> bool:
        delay = FIRST_PING
        while why := self._unanswered():
            if delay == LONGEST_PING:
                logger.warning("%s doesn't answer its own %s yet: %s", self._place.url, self._ping_path, why)
            if self._leaving.wait(delay):
                return False
            delay = min(delay * 2, LONGEST_PING)
        self._own.close()
        return True

    def _unanswered(self) -> str:
        """Why the worker's own ping isn't answered; empty when it is."""
        try:
            reply = self._own.ask("GET", self._ping_path, timeout=PING_TIMEOUT)
        except (OSError, http.client.HTTPException) as error:
            return words(error)
        return "" if reply.status == 200 else f"{reply.status}, {reply.body[:100].decode('utf-8', 'replace').strip()}"

    def _keep(self) -> Lease:
        lease, settled = Lease(), False
        while True:
            step = after(lease, *self._register(), random.random())  # noqa: S311 - keeps workers apart, no secret
            if step.news:
                self._tell(step)
            lease = step.lease
            if lease.settled and not settled:
                settled = True
                self._settled()
            if self._leaving.wait(step.delay):
                return lease

    def _register(self) -> tuple[Answer, str]:
        return self._call("/register", self._query, CALL_TIMEOUT, good=(200,))

    def _unregister(self) -> None:
        query = dict.fromkeys(("wait", "drain"), f"{self._patience:.3f}")
        query.update((name, value) for name, value in self._query.items() if name in ("port", "address"))
        started = time.monotonic()
        # 404: it forgot us already, which is what was to be reached.
        answer, detail = self._call("/unregister", query, self._patience + CALL_TIMEOUT, good=(200, 404))
        if answer in TAKES:
            waited = time.monotonic() - started
            logger.info("Unregistered application server with address: %s (%.1f s)", self._place.url, waited)
        else:
            logger.warning("could not unregister %s: %s", self._place.url, detail)

    def _call(self, path: str, query: dict[str, str], timeout: float, good: Sequence[int]) -> tuple[Answer, str]:
        try:
            reply = self._ask(path, query, timeout)
        except ssl.SSLCertVerificationError as error:
            ca = self._membership.ca
            return Answer.REFUSED, f"its certificate isn't of the authority in {ca} ({words(error)}); name its by --ca"
        except HeadraceError as error:
            return Answer.REFUSED, str(error)
        except (OSError, http.client.HTTPException) as error:
            # Who speaks TLS hangs up on who doesn't.
            odd = isinstance(error, http.client.RemoteDisconnected) and self._membership.url.startswith("http:")
            return Answer.AWAY, words(error) + (DOUBT if odd else "")
        if reply.status in good:
            return (Answer.JOINING if reply.told("state") == "joining" else Answer.TAKEN), ""
        message = reply.told("message")
        odd = not message or reply.told("error") == "no_app_servers"
        detail = f"{reply.status}, {message or 'no reason given'}{DOUBT if odd else ''}"
        return (Answer.AWAY if reply.status >= 500 else Answer.REFUSED), detail

    def _ask(self, path: str, query: dict[str, str], timeout: float) -> Reply:
        if not self._token:
            self._token = StateFolder(Path(self._membership.state)).token() or ""
        reply = self._balancer.ask("POST", f"{path}?{urlencode(query)}", timeout=timeout, token=self._token)
        if reply.status in (401, 403):
            self._token = ""  # read anew: it may be made or corrected while we wait
        return reply

    def _tell(self, step: Step) -> None:
        balancer, lease = self._membership.url, step.lease
        if lease.last in TAKES:
            logger.info("Registering application server with address: %s", self._place.url)
        elif lease.last is Answer.AWAY:
            logger.warning("the balancer at %s is away (%s); serving on and trying again", balancer, lease.detail)
        else:
            logger.error("the balancer at %s doesn't take %s: %s", balancer, self._place.url, lease.detail)


def _query(membership: Membership, place: Place) -> dict[str, str]:
    query = {"scheme": place.scheme, "weight": str(membership.weight), "capacity": str(membership.capacity)}
    if place.path is not None:
        query["address"] = place.address
    else:
        query["port"] = str(place.port)
        query["address"] = membership.address or ""
    query["service"] = ",".join(membership.service)
    query["version"] = membership.version or ""
    return {name: value for name, value in query.items() if value}
