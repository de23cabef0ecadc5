"""What is invalidated together, in the cache and at the edge."""

from typing import Final

LISTS: Final = "posts"


def post_tag(slug: str) -> str:
    """The tag of all that shows the post: `post_tag("hello") == "post:hello"`."""
    return f"post:{slug}"
