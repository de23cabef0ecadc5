"""An app whose import fails."""

import no_such_package  # noqa: F401
