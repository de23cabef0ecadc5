"""Batches as objects: in a folder, S3 and its look-alikes, Google Cloud Storage or Azure.

By obstore, but for single objects in a bucket that the core knows.

Exactly once. A key derives from the sealed range, the bytes from its payloads. An object is only ever created; when
it is there already, its contents are compared: those of an earlier attempt are ours and the batch has landed, others
belong to a namesake of this node and nothing is touched. Stores that can't create conditionally get the same bytes
again under the same key, unless a disk lost some of the payloads meanwhile: then what is there is looked at first.

Objects are private: nothing is said about access, and what the bucket's owner decided holds.
"""

import asyncio
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote

import obstore
from obstore.exceptions import AlreadyExistsError, NotSupportedError
from obstore.store import LocalStore, ObjectStore, from_url

from headrace import _core
from headrace.errors import OperationError, UsageError
from headrace.sinks.batch import EACH, Batch
from headrace.sinks.coreuploads import CoreUploads
from headrace.sinks.durable import sync
from headrace.sinks.encoding import FORMATS, Format
from headrace.sinks.keys import batch_key, payload_pattern
from headrace.sinks.refusals import OBSTORE_ERRORS, meaning, of_answer
from headrace.sinks.s3 import ENDPOINTS, bucket
from headrace.sinks.sink import Held, Receipt, Rejected, Transient
from headrace.sinks.uploads import FEW, SingleUploads, Uploads, at_once

if TYPE_CHECKING:
    from obstore.store import ClientConfig

CONNECT_TIMEOUT: Final = "5s"
REQUEST_TIMEOUT: Final = "120s"  # a batch of 8 MiB at 70 kB/s
UPLOADS: Final = 64  # of payloads, at once; with a round trip of 20 ms they allow 3,200 objects a second
OCTETS: Final = "application/octet-stream"
SCHEMES: Final = ("file", "s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
MAY_BE_PLAIN: Final = (*ENDPOINTS, "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
TAKEN: Final = {409, 412}  # the key, or somebody is just taking it
WITHOUT_CONDITIONS: Final = 501
UNSUPPORTED: Final = f"status code: {WITHOUT_CONDITIONS}"


class ObjectStoreSink:
    """Lands batches below a URL.

    Example: `await ObjectStoreSink.at("s3://bucket/prefix").put(batch)`. In the form `EACH` every payload becomes an
    object of its own, `application/octet-stream`, up to `uploads` of them on their way at once.
    """

    def __init__(self, store: ObjectStore, url: str, uploads: int) -> None:
        self.url = url.rstrip("/")
        self._store = store
        self._uploads = uploads
        self._at_once = min(FEW, uploads)
        self._threads = ThreadPoolExecutor(uploads, thread_name_prefix="headrace-upload")
        self._bucket = bucket(url, os.environ)
        self._conditional = True
        self._root = Path(store.prefix) if isinstance(store, LocalStore) and store.prefix else None

    @classmethod
    def at(cls, url: str, *, uploads: int = UPLOADS) -> "ObjectStoreSink":
        """The sink below `url`: `file:///folder`, `s3://bucket/prefix`, `gs://…`, `az://…`.

        Endpoint, region and credentials are those of the environment, as the store's own tools read them.
        Raises `UsageError` for a URL that names no store, or a folder that can't be made, `OperationError` for one that
        can't be written.
        """
        store = open_store(url)
        if isinstance(store, LocalStore) and store.prefix and not os.access(store.prefix, os.W_OK | os.X_OK):
            raise OperationError(f"the folder {store.prefix} can't be written", hint="choose another target")
        return cls(store, url, uploads)

    async def put(self, batch: Batch) -> Receipt:
        """Creates the batch's object or objects."""
        if batch.form == EACH:
            return await self._put_each(batch)
        return await asyncio.to_thread(self._put_whole, batch)

    async def close(self) -> None:
        """The store's connections end with it."""
        self._threads.shutdown(wait=False)

    def _put_whole(self, batch: Batch) -> Receipt:
        form, key = FORMATS[batch.form], batch_key(batch)
        data = form.encode(batch)
        # What is left of a batch must not take the place of the whole, which may have come here before.
        there = self._get(key) if batch.missing else None
        if there is None:
            self._create(key, data, form)
        else:
            self._compare(key, there, data, form, short=True)
        self._settle([key])
        return Receipt(f"{self.url}/{key}", len(data))

    async def _put_each(self, batch: Batch) -> Receipt:
        uploads = await asyncio.to_thread(self._each, batch)
        await uploads.run(self._threads, self._at_once)
        self._at_once = at_once(uploads.took, self._uploads)
        await asyncio.to_thread(self._settle, uploads.landed)
        receipt = Receipt(f"{self.url}/{payload_pattern(batch)}", batch.size - batch.count)
        if refused := uploads.refused:
            raise Rejected(next(iter(refused.values())), numbers=refused, receipt=receipt)
        return receipt

    def _each(self, batch: Batch) -> Uploads:
        if self._bucket is None:
            return SingleUploads(batch, self._create)
        return CoreUploads(batch, self._bucket, self._insist, lambda: self._conditional)

    def _insist(self, key: str, refused: _core.Refused) -> None:
        """Goes on where the core's upload wasn't taken, as `_create` does."""
        if refused.status in TAKEN:
            self._meet(key, refused.payload)
        elif refused.status == WITHOUT_CONDITIONS:
            self._conditional = False
            self._create(key, refused.payload)
        else:
            raise of_answer(refused.status, refused.text, refused.retry_after, self.url)

    def _create(self, key: str, data: bytes, form: Format | None = None) -> None:
        try:
            self._put(key, data, form.media_type if form else OCTETS)
        except AlreadyExistsError:
            self._meet(key, data, form)
        except OBSTORE_ERRORS as error:
            raise meaning(error, self.url) from error

    def _meet(self, key: str, data: bytes, form: Format | None = None) -> None:
        """Somebody has created the object: we, as it should be, or a namesake."""
        there = self._get(key)
        if there is None:
            raise Transient(f"{self.url} is busy with {key}")
        self._compare(key, there, data, form)

    def _settle(self, keys: Iterable[str]) -> None:
        """A store has what it confirmed; a folder has it once it is synced."""
        if self._root is None:
            return
        try:
            sync([self._root / key for key in keys], self._root)
        except OSError as error:
            raise meaning(error, self.url) from error

    def _put(self, key: str, data: bytes, media_type: str) -> None:
        mode: Literal["create", "overwrite"] = "create" if self._conditional else "overwrite"
        # A folder has no place for attributes.
        attributes = {"Content-Type": media_type} if self._root is None else None
        try:
            obstore.put(self._store, key, data, mode=mode, attributes=attributes, use_multipart=False)
        except OBSTORE_ERRORS as error:
            if mode == "overwrite" or not _knows_no_conditions(error):
                raise
            self._conditional = False
            self._put(key, data, media_type)

    def _get(self, key: str) -> bytes | None:
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            return None
        except OBSTORE_ERRORS as error:
            raise meaning(error, self.url) from error

    def _compare(self, key: str, there: bytes, data: bytes, form: Format | None, *, short: bool = False) -> None:
        if there != data and not (form is not None and _holds(form, there, data, short=short)):
            hint = "another node has the same name, or an older journal had: move the object, or change the target"
            raise Held(f"{self.url}/{key} exists with other contents", hint=hint)


def open_store(url: str) -> ObjectStore:
    """The store below `url`, with what the environment says of it. Raises `UsageError`."""
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES or not rest:
        raise UsageError(f"{url} names no object store", hint="like file:///folder, s3://bucket/prefix, gs://…, az://…")
    try:
        if scheme == "file":
            return LocalStore(unquote(rest), mkdir=True)
        plain = any(os.environ.get(name, "").startswith("http://") for name in MAY_BE_PLAIN)
        options: ClientConfig = {"connect_timeout": CONNECT_TIMEOUT, "timeout": REQUEST_TIMEOUT, "allow_http": plain}
        # Trying again is for the workers, who know of each other and tell what goes wrong.
        return from_url(url, client_options=options, retry_config={"max_retries": 0})
    except OBSTORE_ERRORS as error:
        raise UsageError(f"cannot use {url}: {str(error).splitlines()[0]}") from error


def _knows_no_conditions(error: Exception) -> bool:
    return isinstance(error, NotSupportedError) or UNSUPPORTED in str(error)


def _holds(form: Format, there: bytes, data: bytes, *, short: bool) -> bool:
    """Whether an object holds the payloads of another, `short`: and maybe more, all in the same order.

    Their bytes may differ: an upgrade may have brought another compressor.
    """
    try:
        theirs, ours = form.decode(there), form.decode(data)
    except Exception:  # noqa: BLE001 - whatever a decoder makes of a stranger's bytes
        return False
    following = iter(theirs.split(b"\n"))
    return all(line in following for line in ours.split(b"\n")) if short else theirs == ours
