"""The settings of the short commands."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator

from taskfactory.cli.api_settings import ApiSettings
from taskfactory.definitions.durations import parse_duration
from taskfactory.intake import IntakeSettings
from taskfactory.runtime.settings import DatabaseSettings, TemporalSettings


def _at_least_a_day(value: str) -> str:
    if parse_duration(value) < timedelta(days=1).total_seconds():
        raise ValueError("allowed is 1d or more")
    return value


class CliSettings(IntakeSettings, DatabaseSettings, TemporalSettings, ApiSettings):
    """What the short commands read from `TASKFACTORY_…`: ingress's own variables, and so the same decisions."""

    temporal_retention: Annotated[str, AfterValidator(_at_least_a_day)] = "7d"
    """How long Temporal keeps closed executions, such as `7d`; the dedupe ledger does not depend on it."""

    @property
    def retention(self) -> timedelta:
        """`temporal_retention` as a duration."""
        return timedelta(seconds=parse_duration(self.temporal_retention))
