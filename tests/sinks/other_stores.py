"""Google Cloud Storage and Azure as far as a sink needs them: who they are to a client, and a server that keeps blobs.

Over TLS, as the real ones are: a client that may use plain HTTP is no question here.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from tests.core.certificates import Authority
from tests.webserver import Handler, serving

from .store_server import FIELDS


def google(url: str) -> dict[str, str]:
    """The environment of a client: a service account that says where its storage is, and needs no token."""
    account = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account)}


def azure(url: str) -> dict[str, str]:
    """The environment of a client with the account's key."""
    return {
        "AZURE_STORAGE_ENDPOINT": url,
        "AZURE_STORAGE_ACCOUNT_NAME": "account",
        "AZURE_STORAGE_ACCOUNT_KEY": base64.b64encode(b"key").decode(),
    }


@dataclass(frozen=True)
class Dialect:
    """What differs: the URL's scheme, a client's environment, the condition of a creation, and how it is refused."""

    scheme: str
    environment: Callable[[str], dict[str, str]]
    condition: tuple[str, str]
    exists: tuple[int, str]


GOOGLE = Dialect("gs", google, ("x-goog-if-generation-match", "0"), (412, "PreconditionFailed"))
AZURE = Dialect("az", azure, ("if-none-match", "*"), (409, "BlobAlreadyExists"))


@contextmanager
def blob_server(dialect: Dialect, authority: Authority) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Its URL, and what it keeps by container and key."""
    blobs: dict[str, bytes] = {}
    lock = threading.Lock()
    name, value = dialect.condition

    class Blobs(Handler):
        def respond(self):
            body = self.body() if self.command == "PUT" else b""
            with lock:
                self.answer_of(unquote(self.path).lstrip("/"), body)

        def answer_of(self, key: str, body: bytes):
            there = blobs.get(key)
            if self.command == "GET":
                self.answer(404 if there is None else 200, there or b"", **FIELDS)
            elif there is not None and self.named().get(name) == value:
                status, code = dialect.exists
                self.answer(status, f"<Error><Code>{code}</Code></Error>".encode(), **FIELDS)
            else:
                blobs[key] = body
                self.answer(201, **FIELDS)

    with serving(Blobs, authority.leaf("127.0.0.1").server_context()) as url:
        yield url, blobs
