"""The accepting half of `headrace ingest` alone: collections go to a journal and stay there.

Run as `python -m headrace.bench.ingest.acceptor ADDRESS FOLDER`, until SIGTERM; at its end it prints how many syncs
appended payloads waited for.
"""

import signal
import sys

from headrace._core import Engine, IngestServer, Journal

STOP = (signal.SIGTERM, signal.SIGINT)
DRAIN = 1.0  # seconds


def accept(address: str, folder: str) -> None:
    """Serves until it is told to stop; nothing lands, so the journal's bounds are far away."""
    # Before threads are started, which inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    journal = Journal(folder, max_payloads=10**9, max_bytes=1 << 38)
    engine = Engine(threads=1)
    engine.listen(address, IngestServer(journal))
    signal.sigwait(STOP)
    engine.stop(DRAIN)
    print("syncs", journal.status().counts["syncs"])
    journal.close()


if __name__ == "__main__":
    accept(*sys.argv[1:])
