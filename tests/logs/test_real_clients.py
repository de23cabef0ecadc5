"""Clients that others wrote, used as their documentation says, and what a real collector writes of what they send."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import httpx
import pytest

from tests.processes import environment, free_port, until

from .collector_process import collector

pytest.importorskip("headrace._core", reason="the compiled core is not installed")


def need(package):
    """The package has to be there where CI says that all is."""
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # what it is a part of
        found = None
    if found is None:
        message = f"{package} is not installed: pip install 'headrace[test]'"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def run(program, *arguments, **environ):
    """A program that ends by itself without a complaint."""
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    done = subprocess.run(command, env=environment(environ), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def written(service, count):
    """Level, source, message and fields of each line."""
    found = []
    for line in service.until_written(count):
        _, level, source, message, *fields = re.split(r"(?<!\\);", line, maxsplit=4)
        found.append((level, source, message, json.loads(fields[0]) if fields else {}))
    return found


LOKI = """
import logging, sys
import logging_loki

handler = logging_loki.LokiHandler(
    url=sys.argv[1] + "/loki/api/v1/push", tags={"application": "shop", "service": "checkout"}, version="1",
)
logger = logging.getLogger("my-logger")
logger.addHandler(handler)
logger.error("Something happened; %s", "again", extra={"tags": {"order": "7"}})
logger.warning("two\\nlines \\N{SNOWMAN}")
"""


def test_python_logging_loki(tmp_path):
    need("logging_loki")
    with collector(tmp_path, "--open") as service:
        run(LOKI, service.url)
        error, warning = written(service, 2)
    assert error == (
        "ERROR",
        "checkout",
        r"Something happened\; again",
        {"application": "shop", "order": "7", "logger": "my-logger"},
    )
    assert warning[:3] == ("WARNING", "checkout", r"two\nlines ☃")


OPENTELEMETRY = """
import logging, sys
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

provider = LoggerProvider(Resource.create({"service.name": "shop", "service.version": "1.2"}))
exporter = OTLPLogExporter(endpoint=sys.argv[1] + "/v1/logs", headers={"Authorization": "Bearer " + sys.argv[2]})
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
logger = provider.get_logger("checkout")
with TracerProvider().get_tracer("checkout").start_as_current_span("order"):
    logger.emit(
        LogRecord(
            timestamp=1_774_000_000_123_456_789, severity_number=SeverityNumber.WARN, severity_text="WARN",
            body="sold out", attributes={"article": 7, "price": 1.5, "tags": ["a", "b"], "gift": True},
        )
    )
logger.emit(LogRecord(severity_number=SeverityNumber.ERROR, body={"what": "payment", "tries": 3}))
provider.shutdown()
"""


def test_the_json_exporter_of_opentelemetry(tmp_path):
    need("opentelemetry.exporter.otlp.json.http")
    with collector(tmp_path) as service:
        run(OPENTELEMETRY, service.url, service.token)
        old, new = written(service, 2)
    level, source, message, fields = old
    assert (level, source, message) == ("WARNING", "shop", "sold out")
    assert (fields["article"], fields["price"], fields["tags"], fields["gift"]) == (7, 1.5, ["a", "b"], True)
    assert re.fullmatch("[0-9a-f]{32}", fields["trace_id"])
    assert re.fullmatch("[0-9a-f]{16}", fields["span_id"])
    assert new[:2] == ("ERROR", "shop")
    assert json.loads(new[2]) == {"what": "payment", "tries": 3}


STRUCTLOG = """
import sys
import structlog
from headrace.logs.structlog import Processor

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        Processor(sys.argv[1], source="shop"),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
)
log = structlog.get_logger().bind(order=7)
structlog.contextvars.bind_contextvars(request_id="abc")
log.info("paid", amount=12.5)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed; badly")
"""


def test_structlog(tmp_path):
    need("structlog")
    with collector(tmp_path) as service:
        run(STRUCTLOG, service.url, HEADRACE_HOME=str(tmp_path / "state"))
        paid, failed = written(service, 2)
    assert paid == ("INFO", "shop", "paid", {"order": 7, "amount": 12.5, "request_id": "abc"})
    assert failed[:3] == ("ERROR", "shop", r"failed\; badly")
    assert failed[3]["exception"].endswith("ZeroDivisionError: division by zero")


SITE = """
import logging
import os


def site(environ, start_response):
    logging.getLogger("shop").warning("asked for %s", environ["PATH_INFO"], extra={"worker": os.getpid()})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""


def logged_centrally(url):
    """A configuration of `logging` as gunicorn wants it."""
    handler = {"class": "headrace.logs.Handler", "url": url, "fields": ["logger"]}
    own = {"level": "INFO", "handlers": ["central"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"central": handler | {"source": "gunicorn"}, "app": handler | {"source": "shop"}},
        "root": {"level": "INFO", "handlers": ["app"]},
        "loggers": {"gunicorn.error": own, "gunicorn.access": own},
    }


@pytest.mark.parametrize("configured", ["--log-config-json", "logconfig_dict"])
def test_gunicorn(tmp_path, configured):
    need("gunicorn")
    (tmp_path / "shop.py").write_text(SITE)
    with collector(tmp_path) as service:
        config = logged_centrally(service.url)
        if configured == "logconfig_dict":
            (tmp_path / "conf.py").write_text(f"accesslog = '-'\nlogconfig_dict = {config!r}\n")
            flags = ["--config", "conf.py"]
        else:
            (tmp_path / "logging.json").write_text(json.dumps(config))
            flags = ["--log-config-json", "logging.json", "--access-logfile", "-"]
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", *flags, "--workers", "2", "--bind", f"127.0.0.1:{port}"]
        env = environment({"HEADRACE_HOME": str(tmp_path / "state")})
        with (tmp_path / "gunicorn").open("wb") as out:
            server = subprocess.Popen([*command, "shop:site"], cwd=tmp_path, env=env, stdout=out, stderr=out)
        try:
            for number in range(20):
                until(lambda path=f"/{number}": answered(f"http://127.0.0.1:{port}{path}"), 30, "gunicorn")
            server.terminate()
            assert server.wait(30) == 0
        finally:
            server.kill()
            server.wait()
        messages = until(lambda: whole(service), 30, "what was logged last")
    asked = [message for level, source, message, _ in messages if (level, source) == ("WARNING", "shop")]
    assert sorted(asked) == sorted(f"asked for /{number}" for number in range(20))
    access = [message for _, _, message, fields in messages if fields["logger"] == "gunicorn.access"]
    assert len(access) == 20
    assert all('"GET /' in message and " 200 5 " in message for message in access)
    told = [message for _, _, message, fields in messages if fields["logger"] == "gunicorn.error"]
    assert any("Starting gunicorn" in message for message in told)
    assert sum("Booting worker" in message for message in told) == 2


def answered(url):
    """Whether the site answered; it is asked again only where nobody listens yet."""
    try:
        return httpx.get(url, trust_env=False).text == "hello"
    except httpx.ConnectError:
        return False


def whole(service):
    """All lines, once the one is there that gunicorn logs last."""
    found = written(service, 1)
    return found if any("Shutting down: Master" in message for _, _, message, _ in found) else None
