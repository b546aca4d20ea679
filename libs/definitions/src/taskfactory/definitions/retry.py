"""How failed attempts are repeated, as authors write it."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from taskfactory.definitions.durations import parse_duration
from taskfactory.definitions.strict_model import Duration, StrictModel, problem


class Retry(StrictModel):
    """How often, and how fast, a failed attempt is repeated."""

    max_attempts: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Attempts in all; without it, repeated until `schedule_to_close`."""
    initial_interval: Duration = "1s"
    """Pause before the second attempt."""
    backoff: Annotated[float, Field(ge=1, le=100)] = 2.0
    """Factor from each pause to the next."""
    max_interval: Duration = "1m"
    """Longest pause."""

    @model_validator(mode="after")
    def _intervals_in_order(self) -> Self:
        if parse_duration(self.max_interval) < parse_duration(self.initial_interval):
            message = f"found max_interval {self.max_interval} below initial_interval {self.initial_interval}"
            raise problem("order", message)
        return self
