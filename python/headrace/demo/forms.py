"""What the blog's forms send, and the proof that it was the blog's own form.

The proof is a double submit: a random cookie that only this host can set (`__Host-`), repeated in a hidden field. It
needs no memory and no shared secret, so any app server can check what another gave out.
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from headrace.demo.post import LIMITS

COOKIE: Final = "__Host-form"
LARGEST_PICTURE: Final = 3 << 20  # bytes


@dataclass(frozen=True)
class Sent:
    """A form as it was sent: `texts` by field, the version it changes (0: a new post), an image or nothing."""

    texts: dict[str, str]
    version: int
    picture: bytes


def proof(request: Request) -> str:
    """The value for the hidden field `proof`; `with_proof` must set it on the response."""
    return request.cookies.get(COOKIE) or secrets.token_hex(16)


def with_proof(response: Response, value: str) -> Response:
    """`response` with the cookie that a form's proof is compared with."""
    response.set_cookie(COOKIE, value, path="/", secure=True, httponly=True, samesite="strict")
    return response


async def read_form(request: Request) -> Sent:
    """The form of `request`.

    Raises `HTTPException`: 403 when it isn't our own, 413 when the image is too large, 400 when it isn't a form.
    """
    async with request.form(max_files=1, max_fields=20) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        upload = form.get("upload")
        _check_proof(request, fields.get("proof", ""))
        picture = await _read_picture(upload) if isinstance(upload, UploadFile) else b""
    version = fields.get("version", "0")
    if not version.isdecimal() or len(version) > 18:
        raise HTTPException(400, "The form's version is not a number.")
    return Sent({name: fields.get(name, "") for name in (*LIMITS, "picture")}, int(version), picture)


def _check_proof(request: Request, given: str) -> None:
    expected = request.cookies.get(COOKIE, "")
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise HTTPException(
            403, "This form is too old or came from another site. Go back, reload the page and try again."
        )


async def _read_picture(upload: UploadFile) -> bytes:
    content = await upload.read(LARGEST_PICTURE + 1)
    if len(content) > LARGEST_PICTURE:
        raise HTTPException(413, f"A picture has at most {LARGEST_PICTURE >> 20} MiB.")
    return content
