"""Finds the user's app: `module:attribute`, perhaps a factory, in the current folder or on the Python path."""

import importlib
import sys
import traceback
from dataclasses import dataclass
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from types import ModuleType

from headrace.errors import OperationError, UsageError

EXAMPLE = "write module:attribute, as in shop:app"


@dataclass(frozen=True)
class AppName:
    """What stands for APP on the command line, taken apart."""

    module: str
    attribute: str

    @classmethod
    def parse(cls, text: str) -> "AppName":
        """`"shop.web:app"`. Raises `UsageError`."""
        module, _, attribute = text.partition(":")
        if module.endswith(".py") or "/" in module:
            dotted = ".".join(Path(module).with_suffix("").parts).strip(".")
            raise UsageError(f"{text} is a file, not a module", hint=f"did you mean {dotted}:{attribute or 'app'}?")
        if not attribute:
            raise UsageError(f"{text} doesn't say what in the module is the app", hint=f"did you mean {module}:app?")
        if not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
            raise UsageError(f"{text} can't be the name of an app", hint=EXAMPLE)
        return cls(module, attribute)

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def load(name: AppName, *, factory: bool = False) -> object:
    """Imports the app, and calls it when it is a factory.

    Example: `load(AppName.parse("shop:create_app"), factory=True)`.
    Raises `OperationError` that names what is missing, or what went wrong and in which line of the user's.
    """
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = _module(name)
    try:
        found = attrgetter(name.attribute)(module)
    except AttributeError:
        message = f"the module {name.module} ({module.__file__ or 'a folder'}) has no {name.attribute}"
        raise OperationError(message, hint=_callables(module, name.attribute)) from None
    return _made_by(found, name) if factory else found


def _module(name: AppName) -> ModuleType:
    try:
        return importlib.import_module(name.module)
    except ModuleNotFoundError as error:
        if error.name and f"{name.module}.".startswith(f"{error.name}."):
            raise OperationError(f"there is no module {error.name} for the app {name}", hint=_near(name)) from error
        raise OperationError(f"importing {name.module} failed: {described(error)}") from error
    except (Exception, SystemExit) as error:
        raise OperationError(f"importing {name.module} failed: {described(error)}") from error


def _made_by(factory: object, name: AppName) -> object:
    if not callable(factory):
        raise OperationError(f"{name} is of type {type(factory).__name__}, not a factory", hint="leave out --factory")
    try:
        made: object = factory()
    except (Exception, SystemExit) as error:
        raise OperationError(f"the factory {name} failed: {described(error)}") from error
    return made


def described(error: BaseException) -> str:
    """An error of the user's code in one line: what, and the file and line that it comes from.

    Example: `"ZeroDivisionError: division by zero (/srv/shop.py, line 3)"`.
    """
    what = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if not frame.filename.startswith(str(Path(__file__).parent))]
    # The line of the user's folder says more than that of a library which it called.
    places = [frame for frame in own if frame.filename.startswith(str(Path.cwd()))] or own
    return f"{what} ({places[-1].filename}, line {places[-1].lineno})" if places else what


def _near(name: AppName) -> str:
    here = [path.stem for path in Path.cwd().glob("*.py")] + [path.parent.name for path in Path.cwd().glob("*/*.py")]
    close = get_close_matches(name.module, here, n=1)
    looked = f"looked in {Path.cwd()} and on the Python path"
    return f"{looked}; did you mean {close[0]}:{name.attribute}?" if close else looked


def _callables(module: ModuleType, wanted: str) -> str:
    names = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and not isinstance(value, type)
    ]
    close = get_close_matches(wanted, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {module.__name__}:{close[0]}?"
    return f"it has {', '.join(sorted(names)[:8])}" if names else "nothing in it could be an app"
