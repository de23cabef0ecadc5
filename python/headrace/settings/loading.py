"""Where a setting comes from: flag, else environment, else headrace.toml, else the default."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from headrace.errors import OperationError, UsageError
from headrace.settings.sections import SECTIONS, Key, Section

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

S = TypeVar("S", bound=Section)
FILE_NAME = "headrace.toml"


@dataclass(frozen=True)
class Effective:
    """One setting as it holds: `source` is a flag, a variable, a file and line, or `default`; `text` is for people."""

    key: str
    value: object
    source: str
    text: str


@dataclass(frozen=True)
class SettingsFile:
    """What stands in headrace.toml; without a file, nothing."""

    path: Path | None
    text: str
    sections: Mapping[str, Mapping[str, object]]

    @classmethod
    def read(cls, path: Path | None) -> "SettingsFile":
        """The named file, which must exist, or the current folder's where there is one. Raises `UsageError`."""
        found = path or Path(FILE_NAME)
        if path is None and not found.is_file():
            return cls(None, "", {})
        try:
            text = found.read_text("utf-8")
            sections = tomllib.loads(text)
        except OSError as error:
            raise OperationError(f"cannot read the settings in {found}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{found} is not TOML: {error}") from error
        return cls(found, text, sections)

    def place(self, section: str, key: str | None = None) -> str:
        """`headrace.toml:12`; the line is found by eye, so a key in quotes has none."""
        inside = key is None
        header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]")
        for number, line in enumerate(self.text.splitlines(), 1):
            if line.lstrip().startswith("["):
                inside = bool(header.match(line))
                if inside and key is None:
                    return f"{self.path}:{number}"
            elif inside and key and re.match(rf"\s*{re.escape(key)}\s*=", line):
                return f"{self.path}:{number}"
        return str(self.path)


def load(
    section: type[S],
    flags: Mapping[str, object],
    *,
    file: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> S:
    """A part's settings as they hold.

    Example: `load(AppSettings, {"port": 3100, "host": None}, file=None)`. A flag of None or `()` was not given, so
    switches of the command line have `default=None`; `file` is that of `--settings`.
    Raises `UsageError` that names key, source and what is accepted.
    """
    rows = explain(section, flags, file=file, environ=environ)
    return section(**{row.key: row.value for row in rows})


def explain(
    section: type[Section],
    flags: Mapping[str, object],
    *,
    file: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[Effective]:
    """The same, a row for each key with where its value came from."""
    content = SettingsFile.read(file)
    _refuse_unknown_in_file(content)
    _refuse_unknown_variables(environ)
    return [_effective(section, key, flags, environ, content) for key in section.keys().values()]


def _effective(
    section: type[Section],
    key: Key,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    content: SettingsFile,
) -> Effective:
    value, source = next(_candidates(section, key, flags, environ, content), (key.default, "default"))
    try:
        value = value if source == "default" else key.read(value)
    except ValueError:
        message = f"{section.name} setting {key.name} from {source} cannot be {_shown(value)}"
        raise UsageError(message, hint=f"give {key.kind.accepts}") from None
    return Effective(key.name, value, source, key.show(value))


def _candidates(
    section: type[Section],
    key: Key,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    content: SettingsFile,
) -> Iterator[tuple[object, str]]:
    """The values that were given for a key, the one that counts first; an empty list is a flag that wasn't given."""
    flag = flags.get(key.name)
    if flag is not None and flag != ():
        yield flag, "--" + key.name.replace("_", "-")
    for variable in (f"HEADRACE_{section.name}_{key.name}".upper(), key.variable):
        if variable in environ:
            yield environ[variable], variable
    if key.name in content.sections.get(section.name, {}):
        yield content.sections[section.name][key.name], content.place(section.name, key.name)


def _refuse_unknown_in_file(content: SettingsFile) -> None:
    known = {section.name: section for section in SECTIONS}
    for name, keys in content.sections.items():
        if name not in known or not isinstance(keys, dict):
            message = f"{content.place(name)} has an unknown section [{name}]"
            raise UsageError(message, hint=_suggestion(name, [f"[{section}]" for section in known]))
        for key in keys:
            if key not in (accepted := known[name].keys()):
                message = f"{content.place(name, key)} has an unknown setting {key} in [{name}]"
                raise UsageError(message, hint=_suggestion(key, list(accepted)))


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    for section in SECTIONS:
        prefix = f"HEADRACE_{section.name}_".upper()
        known = [prefix + key.name.upper() for key in section.keys().values()]
        for variable in environ:
            if variable.startswith(prefix) and variable not in known:
                raise UsageError(f"unknown setting {variable} in the environment", hint=_suggestion(variable, known))


def _suggestion(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else "`headrace settings` lists the known ones"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
