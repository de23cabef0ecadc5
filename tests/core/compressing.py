"""What tests of compression share: bodies that shrink, and other people's decoders."""

from __future__ import annotations

import gzip
import importlib.util
import os
import zlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from .wire import Message

ALL = "Accept-Encoding: gzip, deflate, br, zstd"
HTML = "Content-Type: text/html; charset=utf-8"


def page(length: int = 50_000) -> bytes:
    """Text that shrinks, without repeating itself exactly."""
    lines = (f"<li><a href='/posts/{n * 7919 % 99991}'>post number {n}</a></li>\n" for n in range(length // 30))
    return "".join(lines).encode().ljust(length, b".")[:length]


PAGE = page()


def decoder_of(coding: str) -> ModuleType:
    """The package that knows a coding; without it the test is skipped, but never where everything should be there."""
    names = {"zstd": ["zstandard"], "br": ["brotli", "brotlicffi"]}[coding]
    known = next(filter(importlib.util.find_spec, names), None)
    if known:
        return importlib.import_module(known)
    reason = f"no package knows {coding}: pip install {names[0]}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def decode(coding: str, body: bytes) -> bytes:
    """The whole body; an error where it is not whole."""
    if coding == "gzip":
        return gzip.decompress(body)
    if coding == "zstd":
        stream = decoder_of("zstd").ZstdDecompressor().decompressobj()
        data = stream.decompress(body)
        assert stream.eof, "the frame does not end"
        return data
    return decoder_of("br").decompress(body)


class Decoder:
    """Decodes what comes piece by piece: what it gives is what a browser could show by then."""

    def __init__(self, coding: str) -> None:
        if coding == "gzip":
            self._decoder = zlib.decompressobj(wbits=31)
        elif coding == "zstd":
            self._decoder = decoder_of("zstd").ZstdDecompressor().decompressobj()
        else:
            self._decoder = decoder_of("br").Decompressor()

    def take(self, data: bytes) -> bytes:
        take = getattr(self._decoder, "decompress", None) or self._decoder.process
        taken = take(data)
        # Brotli's decoders keep back what goes beyond their guess at its length.
        takes_more = getattr(self._decoder, "can_accept_more_data", lambda: True)
        while not takes_more():
            taken += take(b"")
        return taken

    def is_over(self) -> bool:
        """Whether the end was seen, and not only no more."""
        finished = getattr(self._decoder, "is_finished", None)
        return finished() if finished else self._decoder.eof


def plain(response: Message) -> bytes:
    """The body of a response without its coding, if it has one."""
    return decode(response["content-encoding"], response.body) if "content-encoding" in response else response.body
