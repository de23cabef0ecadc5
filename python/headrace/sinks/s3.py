"""Which buckets the core can upload to by itself: S3 and its look-alikes with fixed credentials, and nothing unusual.

What it can't do (roles, tokens that expire, proxies, encryption by a customer's key, ...) obstore can, so any setting
that obstore reads and that isn't known here leaves the bucket to obstore.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from obstore.exceptions import UnknownConfigurationKeyError
from obstore.store import S3Store

from headrace import _core
from headrace.sinks.refusals import OBSTORE_ERRORS

if TYPE_CHECKING:
    from obstore.store import S3Config

ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
CREDENTIALS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
KNOWN: Final = {*ENDPOINTS, *REGIONS, *CREDENTIALS}
PROXIES: Final = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
# obstore writes other characters of a prefix in a way of its own.
PLAIN: Final = re.compile(r"s3a?://[A-Za-z0-9.-]+(/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*/?")
BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora and its like
    "/etc/ssl/cert.pem",  # macOS, BSD
)


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the folder in it below which objects land: empty, or with a slash at its end."""

    store: _core.ObjectStore
    folder: str


def bucket(url: str, environ: Mapping[str, str]) -> Bucket | None:
    """The bucket at `url`; None where it takes more than the core can do.

    Example: `bucket("s3://landed/raw", os.environ)`.
    """
    own = {name: value for name, value in environ.items() if name.startswith("AWS_")}
    endpoint, region = _only(ENDPOINTS, own), _only(REGIONS, own, "us-east-1")
    usual = own.keys() >= set(CREDENTIALS) and not any(_is_odd(name, value) for name, value in environ.items())
    if not usual or not PLAIN.fullmatch(url) or endpoint is None or region is None:
        return None
    parts, host = urlsplit(url), endpoint.rstrip("/") or f"https://s3.{region}.amazonaws.com"
    access_key, secret_key = (own[name] for name in CREDENTIALS)
    try:
        store = _core.ObjectStore(
            f"{host}/{parts.netloc}",
            region=region,
            access_key=access_key,
            secret_key=secret_key,
            ca=_bundle(environ) if host.startswith("https:") else None,
        )
    except _core.CoreError:
        return None
    return Bucket(store, f"{parts.path.strip('/')}/".lstrip("/"))


def _only(names: tuple[str, ...], environ: Mapping[str, str], default: str = "") -> str | None:
    """What these variables agree on; None where they don't."""
    values = {environ[name] for name in names if name in environ} or {default}
    return values.pop() if len(values) == 1 else None


def _is_odd(name: str, value: str) -> bool:
    """Whether a variable says something to obstore that the core doesn't understand."""
    if name.upper() in PROXIES or (name in KNOWN and not value):
        return True
    if name in KNOWN or not name.startswith("AWS_"):
        return False
    try:
        S3Store("bucket", config=cast("S3Config", {name.lower(): value}))
    except UnknownConfigurationKeyError:
        return False
    except OBSTORE_ERRORS:
        return True
    return True


def _bundle(environ: Mapping[str, str]) -> str | None:
    """The file of authorities that this machine trusts; None where there isn't one with all of them."""
    if "SSL_CERT_DIR" in environ:
        return None
    found = (environ.get("SSL_CERT_FILE"), *BUNDLES, ssl.get_default_verify_paths().cafile)
    return next((file for file in found if file and Path(file).is_file()), None)
