"""headrace: the scale-out kit for Python web apps."""

from headrace.errors import HeadraceError, OperationError, UsageError

__all__ = ["HeadraceError", "OperationError", "UsageError"]
