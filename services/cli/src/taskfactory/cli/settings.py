"""The settings of the short commands, and what to say about settings that are wrong."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, ValidationError
from pydantic_settings import SettingsError

from taskfactory.definitions.durations import parse_duration
from taskfactory.runtime.settings import (
    CommaList,
    DatabaseSettings,
    KafkaSettings,
    TemporalSettings,
    TopicSettings,
)


def _at_least_a_day(value: str) -> str:
    if parse_duration(value) < timedelta(days=1).total_seconds():
        raise ValueError("allowed is 1d or more")
    return value


class CliSettings(KafkaSettings, DatabaseSettings, TemporalSettings, TopicSettings):
    """What `migrate`, `apply`, `get`, `events` and `outcomes` read from `TASKFACTORY_…`."""

    kafka_topics: CommaList = ("events",)
    """The ingress's input topics: the dead letter topic must take records as large as theirs."""
    temporal_retention: Annotated[str, AfterValidator(_at_least_a_day)] = "7d"
    """How long Temporal keeps closed executions, such as `7d`; the dedupe ledger does not depend on it."""

    @property
    def retention(self) -> timedelta:
        """`temporal_retention` as a duration."""
        return timedelta(seconds=parse_duration(self.temporal_retention))


def settings_problems(error: ValueError) -> list[str]:
    """One line per variable that a settings class refused; none if the error is about something else."""
    if isinstance(error, SettingsError):
        return [f"{error}: {error.__cause__}"]
    if not isinstance(error, ValidationError) or not error.title.endswith("Settings"):
        return []
    return [
        f"{variable(*map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')} (found {item['input']!r})"
        for item in error.errors(include_url=False, include_context=False)
    ]


def variable(*path: str) -> str:
    """The environment variable of a setting: `("temporal_tls", "domain")` → `TASKFACTORY_TEMPORAL_TLS__DOMAIN`."""
    return "TASKFACTORY_" + "__".join(part.upper() for part in path)
