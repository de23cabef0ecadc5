"""Posts from a folder: `*.md` files that begin with `key: value` lines between two lines of `---`, and pictures."""

import datetime as dt
from collections import Counter
from pathlib import Path

from headrace.demo.post import PICTURE_NAME, Post, read_draft, slug
from headrace.demo.store import Picture
from headrace.errors import UsageError

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
FENCE = "---"


def read_posts(folder: Path) -> list[Post]:
    """The posts of `folder`, newest first; the file's name is the slug, its time the date where none is written.

    Raises `UsageError` for a folder without posts and for a file that can't be one; it names the file.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="--posts takes a folder of Markdown files")
    posts = [_read_post(path) for path in sorted(folder.glob("*.md"))]
    if not posts:
        raise UsageError(f"{folder} holds no .md file", hint="--posts takes a folder of Markdown files")
    twice = [slug for slug, count in Counter(post.slug for post in posts).items() if count > 1]
    if twice:
        raise UsageError(f"two files of {folder} would be the post {twice[0]}", hint="rename one of them")
    return sorted(posts, key=lambda post: post.date, reverse=True)


def read_pictures(folder: Path) -> dict[str, Picture]:
    """The pictures of `folder/pictures` by name."""
    files = (path for path in (folder / "pictures").glob("*") if PICTURE_NAME.fullmatch(path.name))
    return {path.name: Picture(TYPES[path.suffix], path.read_bytes()) for path in files}


def _read_post(path: Path) -> Post:
    try:
        head, body = _split(path.read_text("utf-8"))
        date = dt.date.fromisoformat(head.get("date") or f"{_changed(path):%Y-%m-%d}")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read as a post: {error}") from error
    title = head.get("title") or path.stem.replace("-", " ").capitalize()
    draft, wrong = read_draft({"author": "unknown", **head, "title": title, "body": body})
    if wrong:
        raise UsageError(f"{path} can't be a post: " + ", ".join(f"{name} {what}" for name, what in wrong.items()))
    return Post(slug(path.stem), 1, date.isoformat(), draft)


def _split(text: str) -> tuple[dict[str, str], str]:
    """The front matter and the rest; a file without front matter is all rest."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != FENCE:
        return {}, text
    if FENCE not in lines[1:]:
        raise ValueError("its front matter has no closing ---")
    end = lines.index(FENCE, 1)
    pairs = (line.partition(":") for line in lines[1:end] if line.strip())
    return {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}, "\n".join(lines[end + 1 :])


def _changed(path: Path) -> dt.datetime:
    return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.timezone.utc)
