"""Moments in requests: RFC 3339 with a zone, and nothing else that Pydantic would make a time of."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator


def _written_out(value: Any) -> Any:
    """Seconds since the epoch would be taken too, and nobody reads them as what they are."""
    if isinstance(value, str) and "T" in value.upper():
        return value
    raise ValueError("found no time; allowed is RFC 3339 with its zone, as 2026-11-24T09:00:00Z")


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""For a query's or a body's field."""
