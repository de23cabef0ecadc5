"""What an object store's refusal means. Pure: an exception of obstore's or an answer in, an error of ours out.

| the store says | it becomes |
|---|---|
| nothing; 5xx, 408, 409, 425 | `Transient` |
| 429, 503, SlowDown and its like | `Transient`, with a wish for less |
| 401, 403, no bucket, wrong region, expired token; the folder's disk full or gone | `Held` |
| any other 4xx: too large, key too long | `Rejected` |
"""

import errno
import re
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from headrace.sinks.sink import Held, Rejected, SinkError, Transient

STATUS: Final = re.compile(r"status code: (\d{3})")
CODE: Final = re.compile(r"<Code>\s*(\w+)\s*</Code>|\"(?:reason|code)\":\s*\"(\w+)\"")
WORDS: Final = re.compile(r"<Message>\s*(.*?)\s*</Message>|\"message\":\s*\"(.*?)\"", re.DOTALL)
ERRNO: Final = re.compile(r"\(os error (\d+)\)")
LOCAL: Final = re.compile(r"[Uu]nable to |Object at location /")

BUSY_CODES: Final = {"SlowDown", "ServerBusy", "OperationTimedOut", "rateLimitExceeded", "RequestLimitExceeded"}
BUSY_STATUSES: Final = {429, 503}
TRANSIENT_STATUSES: Final = {408, 409, 425}
TRANSIENT_CODES: Final = {"RequestTimeout", "InternalError"}
HELD_STATUSES: Final = {301, 307, 401, 403, 404, 507}
# Some stores answer 400 where it is about who asks, or where, and not about what is stored.
HELD_CODES: Final = {
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "IllegalLocationConstraintException",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "InvalidToken",
    "QuotaExceeded",
    "TokenRefreshRequired",
}
PASSING_ERRNOS: Final = {errno.EINTR, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT}
LONGEST_ASKED: Final = 300.0  # seconds; no wish of a store is taken for longer
METADATA_HOSTS: Final = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")


def meaning(error: Exception, target: str) -> SinkError:
    """What `error`, raised by a call to the store at `target`, asks for.

    Example: `meaning(GenericError("... status code: 503 ...<Code>SlowDown</Code>"), "s3://b").slow_down` is true.
    """
    text = str(error).split("\n\nDebug source")[0]
    if any(host in text for host in METADATA_HOSTS):
        return Held(f"no credentials for {target} were found", hint="set them in the environment of headrace ingest")
    status, code = _status(error, text), _first(CODE, text)
    message = f"{target} says: {_in_short(text, status, code)}"
    if found := ERRNO.search(text):
        return _of_system(int(found[1]), message, remote=status is not None or "HTTP error" in text)
    if status is None and isinstance(error, FileNotFoundError):
        return Held(message, hint="is the folder or bucket still there?")
    return _of_reply(status, code, message)


def of_answer(status: int | None, text: str, retry_after: float | None, target: str) -> SinkError:
    """What the answer of the store at `target` to an upload asks for; without a status `text` says why there is none.

    Example: `of_answer(503, "<Code>SlowDown</Code>", None, "s3://b").slow_down` is true.
    """
    code = _first(CODE, text)
    error = _of_reply(status, code, f"{target} says: {text if status is None else _reply_in_short(status, code, text)}")
    if isinstance(error, Transient) and retry_after is not None:
        error.retry_after = min(retry_after, LONGEST_ASKED)
    return error


def _of_reply(status: int | None, code: str, message: str) -> SinkError:
    if code in HELD_CODES or status in HELD_STATUSES:
        return Held(message, hint="check the bucket, its region and the credentials; it goes on by itself once mended")
    if code in BUSY_CODES or status in BUSY_STATUSES:
        return Transient(message, slow_down=True)
    if status is None or status >= 500 or status in TRANSIENT_STATUSES or code in TRANSIENT_CODES:
        return Transient(message)
    return Rejected(message)


def _of_system(number: int, message: str, *, remote: bool) -> SinkError:
    if remote or number in PASSING_ERRNOS:
        return Transient(message)
    if number == errno.ENAMETOOLONG:
        return Rejected(message)
    return Held(message, hint="make room or mend the folder; it goes on by itself")


def _status(error: Exception, text: str) -> int | None:
    if found := STATUS.search(text):
        return int(found[1])
    if "Received redirect" in text:
        return 301
    if isinstance(error, PermissionDeniedError):
        return 403
    return 401 if isinstance(error, UnauthenticatedError) else None


def _in_short(text: str, status: int | None, code: str) -> str:
    """The status and the store's own words; without a reply, the last clause of what went wrong."""
    if status is None or not STATUS.search(text):
        return " ".join(text.rpartition(" - ")[2].split())
    return _reply_in_short(status, code, text)


def _reply_in_short(status: int, code: str, text: str) -> str:
    return ", ".join(part for part in (f"{status} {code}".strip(), _first(WORDS, text)) if part)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return next((group for group in found.groups() if group), "") if found else ""


OBSTORE_ERRORS: Final = (BaseError, OSError, ValueError)
