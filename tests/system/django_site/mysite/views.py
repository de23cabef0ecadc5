"""Views that move files without ever holding one, and one that tells what Django thinks of the request."""

from collections.abc import Iterator

from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

PART = bytes(256 * 1024)


def about(request: HttpRequest) -> JsonResponse:
    """What links, redirects and the CSRF check are built from."""
    return JsonResponse(
        {"secure": request.is_secure(), "host": request.get_host(), "address": request.META["REMOTE_ADDR"]}
    )


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    """The body as it is, read in parts."""
    length = 0
    while part := request.read(len(PART)):
        length += len(part)
    return JsonResponse({"length": length})


@csrf_exempt
def form(request: HttpRequest) -> JsonResponse:
    """A file of a form, which Django writes to a temporary file."""
    return JsonResponse({name: file.size for name, file in request.FILES.items()})


def download(_request: HttpRequest, size: int) -> StreamingHttpResponse:
    return StreamingHttpResponse(parts(size), content_type="application/octet-stream")


def parts(left: int) -> Iterator[bytes]:
    while left:
        part = PART[:left]
        left -= len(part)
        yield part
