"""The client and the service, while the service is killed and comes back: each payload once."""

import threading

import pytest

from headrace.ingest import Client, OutboxLimits
from tests.processes import free_port, until

from .service_process import ingest, payloads

pytest.importorskip("headrace._core", reason="the compiled core is not installed")

COUNT = 20_000
KILLS = 5


@pytest.mark.slow
def test_what_the_client_sends_lands_once_through_kills(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    flags = ("--address", address, "--tokens", "t", "--batch-age", "20ms")
    with ingest(tmp_path, *flags, plain=False) as service:
        assert service.stop() == 0

    with Client(f"https://{address}", token="t", ca=service.ca, limits=OutboxLimits(count=50, age=0.01)) as client:
        sender = threading.Thread(target=lambda: [client.send({"n": number}) for number in range(COUNT)])
        sender.start()
        for _ in range(KILLS):
            with ingest(tmp_path, *flags, plain=False) as service:
                until(lambda: service.status()["accepted"] >= 500, what="accepted payloads")
                service.process.kill()
                service.process.wait()
        with ingest(tmp_path, *flags, plain=False) as service:
            sender.join()
            client.flush()
            service.until_landed()
            assert service.stop() == 0
    assert sorted(payload["n"] for payload in payloads(tmp_path)) == list(range(COUNT))
