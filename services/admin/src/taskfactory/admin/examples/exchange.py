"""One exchange, as the document shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """Whole bodies of one operation, JSON values."""

    answers: Mapping[int, Any]
    """By status, each that has a body and is no problem."""
    request: Any = None
    """None for an operation without a body."""
