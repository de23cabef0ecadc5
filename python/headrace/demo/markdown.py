"""Markdown to HTML; HTML in a post is shown, never obeyed."""

from functools import lru_cache

from markdown_it import MarkdownIt
from markupsafe import Markup

# CommonMark and tables. markdown-it itself refuses links to `javascript:` and the like.
_PARSER = MarkdownIt("commonmark", {"html": False, "typographer": True}).enable(
    ["table", "smartquotes", "replacements"]
)


@lru_cache(maxsize=256)
def render(text: str) -> Markup:
    """The HTML of `text`.

    Example: `render("*water*")` is `<p><em>water</em></p>` and a line feed.
    """
    return Markup(_PARSER.render(text))  # noqa: S704 - the parser escapes all that is not Markdown
