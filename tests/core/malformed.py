"""Bodies that are no collections, made by rules from a seed; each with the status that it must get.

A family is a generator of endless variations of one fault. What is drawn at random is checked against Python's own
parser (`is_collection`), so that none of it is right by accident.
"""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import zstandard

MAX_LENGTH = 1 << 20
MAX_DEPTH = 128

NO_UTF8 = [
    b"\xff", b"\xfe", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3",
    b"\xf0\x9f\x98", b"\x80",
]  # fmt: skip
NO_NUMBERS = [
    "+{0}", "0{0}", ".{0}", "{0}.", "-", "--{0}", "{0}e", "1e+", "{0}e1.5", "1.{0}.1", "0x{0}", "{0}_0", "{0}f", "{0}n",
    "NaN", "Infinity", "-Infinity",
]  # fmt: skip
NO_JSON = [
    "'a'", "`a`", "a", "True", "None", "undefined", "tru", "nul", "falsee", "(1)", '"a', 'a"', '"a" "b"', "1 // one",
    "/* */ 1", "# 1", "[1,]", "[,1]", "[1 2]", "[1", "1]", "[1}", '{"a": 1,}', "{a: 1}", '{"a" 1}', '{"a": }', '{"a"',
    '{"a": 1 "b": 2}', "{1: 2}",
]  # fmt: skip
UNKNOWN_CODINGS = ["br", "deflate", "compress", "gzip, gzip", "zstd,gzip", "gzip;q=1", "*", "x", "aws-chunked"]


class Case(NamedTuple):
    family: str
    body: bytes
    status: int = 400
    coding: str = ""


Family = Callable[[Random], Iterator[Case | bytes]]


def malformed(count: int, seed: int) -> Iterator[Case]:
    """`count` cases, of each family in turn."""
    families = [(family.__name__, family(Random(f"{seed} {family.__name__}"))) for family in FAMILIES]
    for name, cases in itertools.islice(itertools.cycle(families), count):
        case = next(cases)
        yield case if isinstance(case, Case) else Case(name, case)


def is_collection(body: bytes) -> bool:
    """Whether Python reads a collection in it."""
    try:
        value = json.loads(body.decode(), parse_constant=refuse, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(value, dict)
        and {"version", "token", "data"} == set(value)
        and isinstance(value["version"], str)
        and isinstance(value["token"], str)
        and isinstance(value["data"], list)
    )


def refuse(constant: str) -> None:
    raise ValueError(constant)


def pairs(members: list[tuple[str, Any]]) -> Any:
    """An object; what has a member twice is no collection, whatever it would be as a payload."""
    return dict(members) if len(dict(members)) == len(members) else None


def whole(data: str, version: str = '"1"', token: str = '""') -> str:
    members = [f'"version": {version}', f'"token": {token}', f'"data": {data}']
    return "{" + ", ".join(members) + "}"


def of(payload: str) -> bytes:
    """A collection with that payload between others, as it stands."""
    return whole(f'[{{"a": 1}}, {payload}, "b"]').encode()


def value(rng: Random, depth: int = 3) -> Any:
    """Any JSON value."""
    plain = [None, True, rng.randint(-(10**6), 10**6), rng.random(), "text é \U0001f600"]
    kind = rng.randrange(len(plain) + (2 if depth else 0))
    if kind < len(plain):
        return plain[kind]
    members = [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return members if kind == len(plain) else {f"k{n}": each for n, each in enumerate(members)}


def text(rng: Random) -> str:
    payloads = [value(rng) for _ in range(rng.randrange(1, 5))]
    return whole(json.dumps(payloads, ensure_ascii=rng.random() < 0.5))


# Nesting and size.


def nests(rng: Random) -> Iterator[bytes]:
    while True:
        depth = rng.choice([MAX_DEPTH + 1, rng.randrange(MAX_DEPTH + 1, 1000), rng.randrange(1000, 150_000)])
        opened, closed = rng.choice([("[", "]"), ('{"a":', "}"), ('[{"a": [', "]}]")])
        count = depth if len(closed) == 1 else depth // 3 + 1
        yield of(opened * count + "1" + closed * (count if rng.random() < 0.7 else count - 1))


def nests_elsewhere(rng: Random) -> Iterator[bytes]:
    while True:
        deep = "[" * (depth := rng.randrange(1, 100_000)) + "]" * depth
        members = {"version": '"1"', "token": '""', "data": "[]"}
        members[rng.choice([*members, "more"])] = rng.choice([deep, '{"a":' * depth])
        body = "{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}"
        if not is_collection(body.encode()):
            yield body.encode()


def many_and_then_one_that_is_broken(rng: Random) -> Iterator[bytes]:
    while True:
        count = rng.randrange(1000, 100_000)
        yield whole("[" + "1, " * count + rng.choice(["", "1", "tru]", "1 2]", "]"])).encode()


def huge_names(rng: Random) -> Iterator[bytes]:
    while True:
        name = rng.choice(["k", "é", "\\u0000", '\\"']) * rng.randrange(1000, 100_000)
        yield rng.choice(
            [
                f'{{"version": "1", "token": "", "data": [1], "{name}": 1}}',
                f'{{"version": "1", "token": "", "data": "{name}"}}',
                f'{{"version": "1", "{name}": "", "data": []}}',
                f'"{name}"',
            ]
        ).encode()


def nothing(rng: Random) -> Iterator[bytes]:
    yield b""
    while True:
        yield rng.choice([b" ", b"\n", b"\r\n\t "]) * rng.randrange(1, 100_000)


def too_large(rng: Random) -> Iterator[Case]:
    while True:
        filler = rng.choice(["x", "[", "\\"]) * (MAX_LENGTH + rng.randrange(1000))
        yield Case("too_large", of(f'"{filler}"'), 413)


# Bytes and text.


def no_utf8(rng: Random) -> Iterator[bytes]:
    while True:
        body = text(rng).encode()
        at = rng.randrange(len(body) + 1)
        yield body[:at] + rng.choice(NO_UTF8) + b" " + body[at:]


def other_encodings(rng: Random) -> Iterator[bytes]:
    for encoding in itertools.cycle(["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"]):
        yield text(rng).encode(encoding)


def control_characters(rng: Random) -> Iterator[bytes]:
    while True:
        character = chr(rng.choice([code for code in range(32) if chr(code) not in "\t\n\r"]))
        body = text(rng)
        at = rng.randrange(len(body) + 1)
        yield (body[:at] + character + body[at:]).encode()


def line_ends_in_strings(rng: Random) -> Iterator[bytes]:
    while True:
        yield of('"a' + rng.choice("\t\n\r") + 'b"')


def lone_surrogates(rng: Random) -> Iterator[bytes]:
    """In what is read as text; in a payload they are what JSON allows and stay as they came."""
    while True:
        lone = rng.choice([r'"\ud800"', r'"\udfff"', r'"\ud800\ud800"', r'"\udc00\ud800"', r'"a\ud83d"'])
        yield rng.choice([whole("[1]", version=lone), whole("[1]", token=lone)]).encode()


def escapes(rng: Random) -> Iterator[bytes]:
    while True:
        yield of('"' + rng.choice([r"\x41", r"\u12", r"\uZZZZ", r"\u{41}", r"\'", r"\0", "\\", r"\U0001f600"]) + '"')


# JSON's grammar.


def numbers(rng: Random) -> Iterator[bytes]:
    while True:
        digits = "".join(rng.choices("0123456789", k=rng.choice([1, 20, 50_000])))
        yield of(rng.choice(NO_NUMBERS).format(digits))


def no_json_but_similar(rng: Random) -> Iterator[bytes]:
    while True:
        yield of(rng.choice(NO_JSON))


def more_than_one_value(rng: Random) -> Iterator[bytes]:
    while True:
        after = rng.choice(["{}", "1", "]", "}", ",", ";", text(rng), "\0", "x" * 10_000, "// end"])
        yield (text(rng) + rng.choice(["", " ", "\n"]) + after).encode()


def cut_off(rng: Random) -> Iterator[bytes]:
    while True:
        body = text(rng).encode()
        yield body[: rng.randrange(len(body))]


def mutations(rng: Random) -> Iterator[bytes]:
    while True:
        body = bytearray(text(rng).encode())
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(body))
            body[at : at + rng.randrange(2)] = rng.choice([b"", b'"', b"{", b"]", b",", b":", b"\\", b"0"])
        if not is_collection(bytes(body)):
            yield bytes(body)


def noise(rng: Random) -> Iterator[bytes]:
    while True:
        yield rng.randbytes(rng.choice([1, 10, 1000, 500_000]))


# The collection's shape.


def other_shapes(rng: Random) -> Iterator[bytes]:
    while True:
        body = json.dumps(value(rng)).encode()
        if not is_collection(body):
            yield body


def members_missing_or_of_another_type(rng: Random) -> Iterator[bytes]:
    while True:
        members = {"version": "1", "token": "", "data": [1]}
        name = rng.choice(list(members))
        members[name] = value(rng)
        if rng.random() < 0.3:
            del members[name]
        body = json.dumps(members).encode()
        if not is_collection(body):
            yield body


def members_twice(rng: Random) -> Iterator[bytes]:
    while True:
        twice = rng.choice(['"version": "1"', '"token": ""', '"data": [2]', r'"d\u0061ta": [2]', '"data": null'])
        body = text(rng)
        yield (f"{{{twice}, {body[1:]}" if rng.random() < 0.5 else f"{body[:-1]}, {twice}}}").encode()


def members_unknown(rng: Random) -> Iterator[bytes]:
    while True:
        name = rng.choice(["Data", "data ", "", "dat", "__proto__", "versions", "\\u0000", "id"])
        yield f'{text(rng)[:-1]}, "{name}": {json.dumps(value(rng))}}}'.encode()


# Codings.


def cut_off_when_coded(rng: Random) -> Iterator[Case]:
    while True:
        coding, coded = pressed(rng, text(rng).encode())
        yield Case("cut_off_when_coded", coded[: rng.randrange(len(coded))], coding=coding)


def flipped_when_coded(rng: Random) -> Iterator[Case]:
    while True:
        coding, coded = pressed(rng, text(rng).encode())
        broken = bytearray(coded)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        if not decodes(coding, bytes(broken)):
            yield Case("flipped_when_coded", bytes(broken), coding=coding)


def not_what_the_coding_says(rng: Random) -> Iterator[Case]:
    while True:
        body = text(rng).encode()
        coding, coded = pressed(rng, body)
        other = "zstd" if coding == "gzip" else "gzip"
        wrong = [(coding, body), (other, coded), ("", coded), (coding, rng.randbytes(100)), (coding, coded + b"more")]
        named, sent = rng.choice([*wrong, ("gzip", zlib.compress(body)), ("gzip", zlib.compress(body)[2:-4])])
        yield Case("not_what_the_coding_says", sent, coding=named)


def malformed_when_decoded(rng: Random) -> Iterator[Case]:
    while True:
        coding, coded = pressed(rng, next(rng.choice([nests, mutations, noise, huge_names])(rng)))
        yield Case("malformed_when_decoded", coded, coding=coding)


def bombs(rng: Random) -> Iterator[Case]:
    while True:
        size = rng.randrange(2, 10) * MAX_LENGTH
        plain = rng.choice([bytes(size), b" " * size, of('"' + "x" * size + '"'), b"[" * size])
        coding, coded = pressed(rng, plain)
        yield Case("bombs", coded, 413, coding)


def bombs_in_members(rng: Random) -> Iterator[Case]:
    """Thousands of pieces of which each is small, or nothing at all."""
    while True:
        coding, empty = pressed(rng, b"")
        _, piece = pressed(rng, bytes(100_000), coding)
        status, member = rng.choice([(400, empty), (413, piece)])
        yield Case("bombs_in_members", member * (MAX_LENGTH // 2 // len(member)), status, coding)


def windows_beyond_reason(rng: Random) -> Iterator[Case]:
    """A zstd frame that says it needs gigabytes to be decoded (RFC 8878, 3.1.1.1.2)."""
    while True:
        window = rng.randrange(14, 22) << 3 | rng.randrange(8)
        raw = of("1")
        block = (len(raw) << 3 | 1).to_bytes(3, "little") + raw
        yield Case("windows_beyond_reason", b"\x28\xb5\x2f\xfd\0" + bytes([window]) + block, coding="zstd")


def unknown_codings(rng: Random) -> Iterator[Case]:
    while True:
        yield Case("unknown_codings", text(rng).encode(), 415, rng.choice(UNKNOWN_CODINGS))


def pressed(rng: Random, body: bytes, coding: str = "") -> tuple[str, bytes]:
    coding = coding or rng.choice(["gzip", "zstd"])
    if coding == "gzip":
        return coding, gzip.compress(body, mtime=0)
    return coding, zstandard.ZstdCompressor(write_checksum=True).compress(body)


def decodes(coding: str, coded: bytes) -> bool:
    try:
        if coding == "gzip":
            gzip.decompress(coded)
        else:
            zstandard.ZstdDecompressor().decompress(coded, max_output_size=MAX_LENGTH)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):
        return False
    return True


FAMILIES: list[Family] = [
    nests, nests_elsewhere, many_and_then_one_that_is_broken, huge_names, nothing, too_large,
    no_utf8, other_encodings, control_characters, line_ends_in_strings, lone_surrogates, escapes,
    numbers, no_json_but_similar, more_than_one_value, cut_off, mutations, noise,
    other_shapes, members_missing_or_of_another_type, members_twice, members_unknown,
    cut_off_when_coded, flipped_when_coded, not_what_the_coding_says, malformed_when_decoded, bombs, bombs_in_members,
    windows_beyond_reason, unknown_codings,
]  # fmt: skip
