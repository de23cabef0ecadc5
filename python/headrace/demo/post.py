"""What a post is, and what may be written as one: the vocabulary of the data service and the blog."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

LIMITS: Final = {"title": 120, "author": 60, "summary": 300, "body": 100_000}  # characters
REQUIRED: Final = ("title", "author", "body")
WORDS_PER_MINUTE: Final = 230  # silent reading of non-fiction in English, Brysbaert 2019: 238
PICTURE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,79}\.(png|jpg|gif|webp|svg)")


@dataclass(frozen=True)
class Draft:
    """A post as its author writes it; `body` is Markdown, `picture` the name of a stored one or empty."""

    title: str
    author: str
    summary: str
    body: str
    picture: str = ""


@dataclass(frozen=True)
class Post:
    """A post as it is stored; `version` counts its changes, `date` is `YYYY-MM-DD`."""

    slug: str
    version: int
    date: str
    draft: Draft

    def as_json(self, *, whole: bool = True) -> dict[str, object]:
        """The fields on the wire; a list leaves the body out."""
        draft = self.draft
        fields: dict[str, object] = {
            "slug": self.slug,
            "version": self.version,
            "date": self.date,
            "title": draft.title,
            "author": draft.author,
            "summary": draft.summary,
            "picture": draft.picture,
            "minutes": minutes(draft.body),
        }
        return fields | {"body": draft.body} if whole else fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Post":
        """What `as_json` gave; the body is empty where it was left out."""
        texts = {name: str(fields.get(name, "")) for name in (*LIMITS, "picture")}
        return cls(str(fields["slug"]), int(fields["version"]), str(fields["date"]), Draft(**texts))


def read_draft(fields: Mapping[str, object]) -> tuple[Draft, dict[str, str]]:
    """The draft that `fields` hold, and what is wrong with it by field; nothing is wrong when that is empty.

    Example: `read_draft({"title": "Hello"})[1]` is `{"author": "is missing", "body": "is missing"}`.
    """
    texts = {name: _clean(name, fields.get(name, "")) for name in (*LIMITS, "picture")}
    wrong = {name: "must be text" for name, value in fields.items() if name in texts and not isinstance(value, str)}
    for name, limit in LIMITS.items():
        if len(texts[name]) > limit:
            wrong[name] = f"has {len(texts[name])} characters, at most {limit} are possible"
    for name in REQUIRED:
        if not texts[name]:
            wrong.setdefault(name, "is missing")
    if texts["picture"] and not PICTURE_NAME.fullmatch(texts["picture"]):
        wrong.setdefault("picture", "is no picture's name")
    return Draft(**texts), wrong


def slug(title: str) -> str:
    """The address of a post by its title.

    Example: `slug("Crème brûlée, twice!")` is `"creme-brulee-twice"`.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain.lower()))[:80].strip("-") or "post"


@lru_cache(maxsize=256)
def minutes(body: str) -> int:
    """How long reading it takes, in whole minutes."""
    return max(1, round(len(body.split()) / WORDS_PER_MINUTE))


def _clean(name: str, value: object) -> str:
    """Text without the control characters that no post needs, on one line but for the body; browsers send CRLF."""
    text = value if isinstance(value, str) else ""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if name != "body":
        text = " ".join(text.split())
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"}).strip()
