"""`headrace` and `python -m headrace`: runs a verb and turns its errors into one line and an exit code."""

import logging
import os
import sys
import traceback
from collections.abc import Sequence

import click

from headrace.cli import group
from headrace.errors import HeadraceError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """The command's entry point."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs `headrace` with `arguments`; the exit code: 0 done, 1 failed, 2 wrong usage or settings."""
    try:
        code = group.main(list(arguments), prog_name="headrace", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone; the interpreter's own flush at exit must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the one place where errors become lines
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            traceback.print_exc()
        message = _message(error)
        # Without a verb click raises the help itself, which is no error to be told as one.
        click.echo(message if message.startswith("Usage:") else f"headrace: error: {message}", err=True)
        return _exit_code(error)
    return code if isinstance(code, int) else 0


def _message(error: Exception) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, HeadraceError) or _is_core_error(error):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; --log-level debug shows where"


def _exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, HeadraceError | click.ClickException) else 1


def _is_core_error(error: Exception) -> bool:
    """Whether the core raised it; where the core was never loaded it can't have, and loading it takes time."""
    core = sys.modules.get("headrace._core")
    return core is not None and isinstance(error, core.CoreError)


if __name__ == "__main__":
    main()
