"""What RFC 9111 requires of a shared cache, case by case; docs/cache.md refers to them by name."""

from __future__ import annotations

from .changing import INVALIDATION, STATUS
from .keeping import FRESHNESS, REUSE, STORING
from .neighbours import STALE, TARGETED, TOLD
from .selecting import RANGES, VALIDATION, VARY

CASES = (*STORING, *FRESHNESS, *REUSE, *VARY, *VALIDATION, *RANGES, *INVALIDATION, *STATUS, *STALE, *TARGETED, *TOLD)
