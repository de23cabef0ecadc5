"""Style sheet, script and icon, read once; their address holds a digest, so that browsers may keep them for good."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_GOOD: Final = "public, max-age=31536000, immutable"
FOR_A_DAY: Final = "public, max-age=86400"


class Assets:
    """The files of a folder, by name."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def address(self, name: str) -> str:
        """Where `name` is, under an address that changes with its content."""
        return f"/static/{name}?v={digest(self._files[name])}"

    def respond(self, request: Request) -> Response | None:
        """`GET /static/{name}`; None when there is no such file."""
        name = request.path_params["name"]
        content = self._files.get(name)
        if content is None:
            return None
        version = digest(content)
        cache = FOR_GOOD if request.query_params.get("v") == version else "no-cache"
        return picture_response(request, content, TYPES[Path(name).suffix], cache)


def picture_response(request: Request, content: bytes, media_type: str, cache: str) -> Response:
    """`content` with its validator, or 304 where the browser has it already."""
    etag = f'"{digest(content)}"'
    headers = {"ETag": etag, "Cache-Control": cache, "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def digest(content: bytes) -> str:
    """A short name for `content` and nothing else."""
    return sha256(content).hexdigest()[:16]
