"""Reads what an app server says at the admin port when it registers or leaves. Pure: query in, offer out."""

import ipaddress
import re
from collections.abc import Mapping

from headrace.balancer.member import Offer

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SOCKET_PATH_BYTES = 107  # sockaddr_un on Linux, less its NUL
LONGEST_VERSION = 100


class BadRegistrationError(ValueError):
    """What was said cannot be; the message tells the app server's owner why."""


def read_address(query: Mapping[str, str], caller: str) -> str:
    """The address that is meant: `address=` with `port=`, or a `unix:` path, or the caller's own with `port=`."""
    named = query.get("address", "")
    if named.startswith("unix:"):
        return _unix(named)
    host = read_host(named or caller)
    port = query.get("port", "")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise BadRegistrationError(f"port must be a number from 1 to 65535, not {port!r}")
    return f"{host}:{int(port)}"


def read_offer(query: Mapping[str, str], caller: str) -> Offer:
    """The whole registration; `caller` is the address it came from. Raises `BadRegistrationError`."""
    return Offer(
        address=read_address(query, caller),
        scheme=_scheme(query.get("scheme", "http")),
        services=_services(query.get("service", "")),
        weight=_whole(query, "weight", 1, 1, 1000),
        capacity=_whole(query, "capacity", 0, 0, 1_000_000),
        version=_version(query.get("version", "")),
    )


def read_static(text: str) -> Offer:
    """A server of the settings: `"127.0.0.1:3000"`, `"https://app:3000"`, `"unix:/run/app.sock"`."""
    scheme, _, rest = text.rpartition("://")
    if rest.startswith("unix:"):
        return Offer(_unix(rest), _scheme(scheme or "http"), static=True)
    host, _, port = rest.rpartition(":")
    address = read_address({"address": host.strip("[]"), "port": port}, "") if host else ""
    if not address:
        raise BadRegistrationError(f"cannot read the server {text!r}: write host:port, https://host:port or unix:/path")
    return Offer(address, _scheme(scheme or "http"), static=True)


def read_host(text: str) -> str:
    """A host as addresses have it: lower case, IPv6 in brackets. Raises `BadRegistrationError`."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        if HOST.fullmatch(text) and len(text) <= 253:
            return text.lower()
        raise BadRegistrationError(
            f"address must be a host name, an IP address or a unix: path, not {text!r}"
        ) from None
    if isinstance(address, ipaddress.IPv6Address):
        # What came over a socket that speaks both is the IPv4 address it says it is.
        return str(address.ipv4_mapped) if address.ipv4_mapped else f"[{address}]"
    return str(address)


def _unix(text: str) -> str:
    path = text.removeprefix("unix:")
    if not path.startswith("/") or not path.isprintable() or " " in path:
        raise BadRegistrationError(f"a unix: address must be an absolute path without spaces, not {path!r}")
    if len(path.encode()) > SOCKET_PATH_BYTES:
        raise BadRegistrationError(f"the socket's path has more than {SOCKET_PATH_BYTES} bytes")
    return text


def _scheme(text: str) -> str:
    """A server may say that it speaks both; then it is asked by TLS."""
    offered = {part.strip().lower() for part in text.split(",")}
    if not offered <= {"http", "https"}:
        raise BadRegistrationError(f"scheme must be http or https, not {text!r}")
    return "https" if "https" in offered else "http"


def _services(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if not SERVICE.fullmatch(name):
            raise BadRegistrationError(f"service must be names of letters, digits, '.', '_', '-', not {name!r}")
    return names


def _whole(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise BadRegistrationError(f"{name} must be a whole number from {low} to {high}, not {text!r}")
    return int(text)


def _version(text: str) -> str:
    if len(text) > LONGEST_VERSION or not text.isprintable():
        raise BadRegistrationError(f"version must be printable and at most {LONGEST_VERSION} characters")
    return text
