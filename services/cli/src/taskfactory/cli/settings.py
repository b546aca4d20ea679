"""The settings of the short commands, and what to say about settings that are wrong."""

import os
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import SettingsError

from taskfactory.definitions.durations import parse_duration
from taskfactory.runtime.settings import (
    CommaList,
    DatabaseSettings,
    KafkaSettings,
    SchemaRegistrySettings,
    TemporalSettings,
    TopicSettings,
)

LOCAL_STACK: Final = 'set -a; eval "$(taskfactory dev up --format env)"; set +a'
"""Points a shell at the local stack, starting it if need be."""


def _at_least_a_day(value: str) -> str:
    if parse_duration(value) < timedelta(days=1).total_seconds():
        raise ValueError("allowed is 1d or more")
    return value


class CliSettings(KafkaSettings, DatabaseSettings, SchemaRegistrySettings, TemporalSettings, TopicSettings):
    """What the short commands read from `TASKFACTORY_…`."""

    kafka_topics: CommaList = ("events",)
    """The ingress's input topics: the dead letter topic must take records as large as theirs."""
    max_run_input_bytes: int = Field(2 * 1024 * 1024 - 64 * 1024, ge=1, le=4_000_000)
    """As ingress has it: a run with a larger encoded input is not started."""
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


def reaching(name: str, also: str = "") -> str:
    """What to do when a server does not answer: most often it is the local stack's addresses that are not set.

    Args:
        name: the variable with the server's address.
        also: what else may be wrong, ` and …`.
    """
    if name in os.environ:
        return f"Start it (`taskfactory dev up`), or check {name}{also}."
    return f"{name} is not set; for the local stack: {LOCAL_STACK}"


def variable(*path: str) -> str:
    """The environment variable of a setting: `("temporal_tls", "domain")` → `TASKFACTORY_TEMPORAL_TLS__DOMAIN`."""
    return "TASKFACTORY_" + "__".join(part.upper() for part in path)
