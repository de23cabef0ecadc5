"""Templates of keys and tags, like "post:{post_id}", made into functions of the arguments once, at decoration.

What Python's own binding of arguments does is left to Python: the function that is made has the signature of the
decorated one, so that positional, keyword and default arguments give the same key.

Two calls whose arguments differ have different keys: the text of a value never holds a separator (`rendering.py`), and
between two fields there must be one.
"""

import inspect
import keyword
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from string import Formatter
from typing import Any, Final

from headrace.cache.errors import DecorationError
from headrace.cache.rendering import SEPARATORS, plain_text, text_of

LONGEST: Final = 500  # characters of a key; a longer one keeps 450 and goes on with a digest of it all
KEY: Final = f"__key if __len(__key := {{}}) <= {LONGEST} else __bounded(__key)"  # a short key needs no call
TAGS: Final = "[{}]"
_FIELD: Final = re.compile(r"([^\W\d]\w*)((?:\.[^\W\d]\w*|\[[^\[\]]+\])*)")
_STEP: Final = re.compile(r"\.(\w+)|\[([^\[\]]+)\]")

Maker = Callable[..., Any]


@dataclass(frozen=True)
class _Field:
    """A field of a template: `{user.id}` is the name `user` and the expression `user.id`."""

    name: str
    expression: str
    as_text: bool

    def text(self) -> str:
        """The expression of its text. Numbers, which most arguments of keys are, need no call."""
        if self.as_text:
            return f"__plain({self.expression})"
        rendered = f"__text({self.expression})"
        whole = f'f"{{{self.name}}}" if {self.name}.__class__ is int else '
        return f"({whole}{rendered})" if self.expression == self.name else rendered


def key_maker(function: Callable[..., object], key: str | None) -> Maker:
    """A function that takes what `function` takes and gives the key.

    Example: `key_maker(show_post, "post:{post_id}")(post_id=3) == "post:3"`.

    Without a template the key is made of the module, the name and all arguments. Raises `DecorationError` for a
    template that does not fit.
    """
    return _compiled(function, [_own_key(function) if key is None else key], KEY)


def tags_maker(function: Callable[..., object], tags: Sequence[str]) -> Maker:
    """A function that takes what `function` takes and gives a list of tags.

    Example: `tags_maker(show_post, ["posts", "author:{author}"])(author="anna") == ["posts", "author:anna"]`.
    """
    if isinstance(tags, str):
        raise DecorationError(f"cached(tags={tags!r}) on {_name(function)}: give a list: tags=[{tags!r}]")
    return _compiled(function, tags, TAGS)


def bounded(key: str) -> str:
    """The key itself, or one of bounded length that stands for it."""
    if len(key) <= LONGEST:
        return key
    return f"{key[:450]}#{blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=20).hexdigest()}"


def _own_key(function: Callable[..., object]) -> str:
    names = list(_signature(function).parameters)
    if names[:1] == ["self"]:
        example = ":".join([function.__name__, "{self.id}", *(f"{{{name}}}" for name in names[1:])])
        raise DecorationError(
            f"cached() on {_name(function)}: a method needs a key that says which object it is of",
            hint=f'name it: key="{example}"',
        )
    return ":".join([_name(function), *(f"{{{name}}}" for name in names)])


def _compiled(function: Callable[..., object], templates: Sequence[str], result: str) -> Maker:
    """The maker as Python: its names begin with two underscores, which no field of a template can reach."""
    signature = _signature(function)
    scope: dict[str, Any] = {"__text": text_of, "__plain": plain_text, "__bounded": bounded, "__len": len}
    texts = ", ".join(_expression(function, signature, template) for template in templates)
    name = function.__name__ if function.__name__.isidentifier() else "key"
    lines = f"def {name}({_parameters(signature, scope)}):\n    return {result.format(texts)}"
    exec(compile(lines, f"<key of {_name(function)}>", "exec"), scope)  # noqa: S102 - checked names and literals only
    made: Maker = scope[name]
    return made


def _expression(function: Callable[..., object], signature: inspect.Signature, template: str) -> str:
    """The template as an f-string."""
    parts = []
    for literal, field in _parsed(function, template):
        if literal:
            parts.append(repr(literal))
        if field is None:
            continue
        if field.name not in signature.parameters:
            known = ", ".join(signature.parameters) or "none"
            raise _wrong(function, template, f"there is no argument {field.name!r}", f"its arguments: {known}")
        parts.append(field.text())
    return " + ".join(parts) or "''"


def _parsed(function: Callable[..., object], template: str) -> Iterator[tuple[str, _Field | None]]:
    """The texts of a template, each with the field that follows it."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise _wrong(function, template, str(error), "write a brace itself twice: {{") from None
    open_field = False
    between = ""
    for literal, name, spec, conversion in pieces:
        between += literal
        if name is None:
            yield literal, None
            continue
        if open_field and not set(between) & set(SEPARATORS):
            what = f"nothing separates {{{name}}} from the field before it"
            raise _wrong(function, template, what, "put : between them")
        if spec or conversion not in (None, "s"):
            raise _wrong(function, template, f"{{{name}}} has a format", "only {name} and {name!s} are understood")
        yield literal, _field(function, template, name, as_text=conversion == "s")
        open_field, between = True, ""


def _field(function: Callable[..., object], template: str, name: str, *, as_text: bool) -> _Field:
    match = _FIELD.fullmatch(name)
    if not match or keyword.iskeyword(match[1]):
        hint = "write {name}, {name.attribute} or {name[item]}"
        raise _wrong(function, template, f"{{{name}}} names no argument", hint)
    expression = match[1]
    for attribute, item in _STEP.findall(match[2]):
        expression += f".{attribute}" if attribute else f"[{int(item) if item.isdecimal() else item!r}]"
    return _Field(match[1], expression, as_text)


def _parameters(signature: inspect.Signature, scope: dict[str, Any]) -> str:
    """The parameters as they stand in a definition, without annotations; defaults go into `scope`."""
    bare = []
    for index, parameter in enumerate(signature.parameters.values()):
        default = parameter.default
        if default is not inspect.Parameter.empty:
            scope[f"__default{index}"] = default
            default = _Verbatim(f"__default{index}")
        bare.append(parameter.replace(default=default, annotation=inspect.Parameter.empty))
    return str(inspect.Signature(bare))[1:-1]


class _Verbatim(str):
    """Text that a signature shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _signature(function: Callable[..., object]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        raise DecorationError(f"cached() on {function!r}: its arguments are not known") from None


def _name(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _wrong(function: Callable[..., object], template: str, what: str, hint: str) -> DecorationError:
    return DecorationError(f"cached() on {_name(function)}: in {template!r} {what}", hint=hint)
