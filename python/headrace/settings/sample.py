"""A headrace.toml to start from: every key, commented out, with its default."""

import json
from collections.abc import Iterator

from headrace.settings.sections import SECTIONS, Key


def sample() -> str:
    """The text of the file; uncommented it holds exactly the defaults."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# headrace.toml: flags and HEADRACE_<SECTION>_<KEY> variables come before what stands here."
    for section in SECTIONS:
        yield ""
        yield f"[{section.name}]"
        for key in section.keys().values():
            yield f"# {_assignment(key):<40} # {key.help}"


def _assignment(key: Key) -> str:
    if isinstance(key.default, tuple):
        return f"{key.name} = {json.dumps(list(key.default))}"
    shown = key.show(key.default)
    bare = isinstance(key.default, bool) or shown.replace(".", "", 1).isdigit()
    return f"{key.name} = {shown if bare else json.dumps(shown)}"
