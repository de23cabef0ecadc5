"""The one tree of errors; each says what is wrong and what to do.

    HeadraceError
    ├── UsageError        the command line, a setting or a file of the user's is wrong: exit 2
    └── OperationError    it was asked for rightly and could not be done: exit 1

What the core raises (`headrace._core.CoreError` and below) is an `OperationError` to the command line.
"""


class HeadraceError(Exception):
    """The base; `hint` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(HeadraceError):
    """The command line, a setting or a file of the user's is wrong."""

    exit_code = 2


class OperationError(HeadraceError):
    """It was asked for rightly and could not be done."""
