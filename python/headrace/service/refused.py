"""What an admin port answers when it refuses a call."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

CODES = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    502: "not_taken",
    503: "not_ready",
}


async def refused(request: Request, error: Exception) -> Response:
    """The error as JSON with a code and words; a handler of Starlette's for its `HTTPException`."""
    assert isinstance(error, HTTPException)
    message = error.detail
    headers = dict(error.headers or {})
    if error.status_code == 405:
        message = f"{request.url.path} does not answer to {request.method}"
    elif error.status_code == 404 and message == "Not Found":
        message = f"there is no {request.url.path} here"
    elif error.status_code == 503:
        headers["Retry-After"] = "1"
    code = CODES.get(error.status_code, "error")
    return JSONResponse({"error": code, "message": message}, error.status_code, headers)
