"""`CronTrigger`: which times start a run. What it means is a `ScheduleSpec`."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from taskfactory.definitions.calendar import excludes_everything
from taskfactory.definitions.calendar_fields import FIELDS, InvalidTimes, calendar_spec, field_text, parse_cron
from taskfactory.definitions.durations import parse_duration
from taskfactory.definitions.schedule_spec import MAX_YEAR, MIN_YEAR, CalendarSpec, IntervalSpec, ScheduleSpec
from taskfactory.definitions.strict_model import Duration, StrictModel, problem
from taskfactory.definitions.suggestions import found
from taskfactory.envelope.attributes import parse_time

MAX_TIMES: Final = 100
"""Expressions, intervals or calendars of one trigger; the scheduler looks at all of them for every tick."""
MAX_EXCLUDED: Final = 400

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Overlap = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]
MisfirePolicy = Literal["skip", "fire_once", "fire_all"]


def _check_cron(value: Any) -> Any:
    try:
        parse_cron(value)
    except InvalidTimes as error:
        raise problem("cron", str(error)) from None
    return value


def _check_field(name: str) -> BeforeValidator:
    def check(value: Any) -> str:
        try:
            return field_text(FIELDS[name], value)
        except InvalidTimes as error:
            raise problem("calendar_field", str(error)) from None

    return BeforeValidator(check)


def _check_date(value: Any) -> Any:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and _DATE.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None:
        message = f"found {found(value)}; allowed is a date such as '2026-12-25', or a calendar such as {{month: 12}}"
        raise problem("date", message)
    if not MIN_YEAR <= day.year <= MAX_YEAR:
        raise problem("date", f"found {value}; allowed are the years {MIN_YEAR} to {MAX_YEAR}")
    return value


def _check_zone(value: Any) -> Any:
    try:
        known = isinstance(value, str) and ZoneInfo(value) is not None
    except (ValueError, OSError, KeyError):  # what ZoneInfo raises for paths, for folders and for unknown names
        known = False
    if not known:
        message = f"found {found(value)}; allowed is an IANA time zone such as UTC, Europe/Berlin or America/New_York"
        raise problem("timezone", message)
    return value


def _check_moment(value: Any) -> Any:
    try:
        parse_time(value if isinstance(value, str) else "").astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"found {found(value)}; allowed is an RFC 3339 timestamp like 2026-11-03T09:12:44Z"
        raise problem("moment", message) from None
    return value


def _check_whole_seconds(value: Any) -> Any:
    if isinstance(value, str) and value.endswith("ms"):
        raise problem("duration", f"found {found(value)}; allowed are whole seconds, as 15s, 5m or 1h30m")
    return value


Cron = Annotated[str, BeforeValidator(_check_cron), WithJsonSchema({"type": "string"})]
Date = Annotated[str, BeforeValidator(_check_date), WithJsonSchema({"type": "string", "format": "date"})]
Zone = Annotated[str, BeforeValidator(_check_zone), WithJsonSchema({"type": "string"})]
Moment = Annotated[str, BeforeValidator(_check_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Seconds = Annotated[Duration, BeforeValidator(_check_whole_seconds)]

_NUMBER_OR_TEXT: Final = WithJsonSchema({"type": ["string", "integer"]})
Second = Annotated[str, _check_field("second"), _NUMBER_OR_TEXT]
Minute = Annotated[str, _check_field("minute"), _NUMBER_OR_TEXT]
Hour = Annotated[str, _check_field("hour"), _NUMBER_OR_TEXT]
DayOfMonth = Annotated[str, _check_field("day_of_month"), _NUMBER_OR_TEXT]
Month = Annotated[str, _check_field("month"), _NUMBER_OR_TEXT]
DayOfWeek = Annotated[str, _check_field("day_of_week"), _NUMBER_OR_TEXT]
Year = Annotated[str, _check_field("year"), _NUMBER_OR_TEXT]


class Interval(StrictModel):
    """Ticks at a fixed distance, counted from 1970-01-01T00:00:00Z whatever the timezone."""

    interval: Seconds
    """From tick to tick; whole seconds."""
    offset: Seconds | None = None
    """Moves all ticks; shorter than the interval."""

    @model_validator(mode="after")
    def _offset_within(self) -> Self:
        if self.offset is not None and parse_duration(self.offset) >= parse_duration(self.interval):
            message = f"found offset {self.offset}, not shorter than the interval {self.interval}"
            raise problem("order", message)
        return self


class Calendar(StrictModel):
    """Local times at which every field holds; each is a number or text such as `9-17`, `*/2`, `MON-FRI`, `1,15`."""

    second: Second = "0"
    """0 to 59."""
    minute: Minute = "0"
    """0 to 59."""
    hour: Hour = "0"
    """0 to 23."""
    day_of_month: DayOfMonth = "*"
    """1 to 31."""
    month: Month = "*"
    """1 to 12, or JAN to DEC."""
    day_of_week: DayOfWeek = "*"
    """0 (Sunday) to 6, or SUN to SAT; holds together with `day_of_month`, not instead of it."""
    year: Year = "*"
    """2000 to 2100."""

    @model_validator(mode="after")
    def _ever(self) -> Self:
        if not self.spec.ever:
            message = (
                f"found month {self.month} with day_of_month {self.day_of_month}; none of its months has such a day"
            )
            raise problem("never", message)
        return self

    @property
    def spec(self) -> CalendarSpec:
        """What it means."""
        return calendar_spec(self.model_dump())


class ExcludedCalendar(Calendar):
    """Local times that are left out; a field that is not given holds always, so `{day_of_week: SUN}` is all Sunday."""

    second: Second = "*"
    """0 to 59."""
    minute: Minute = "*"
    """0 to 59."""
    hour: Hour = "*"
    """0 to 23."""


Excluded = Annotated[
    Annotated[Date, Tag("date")] | Annotated[ExcludedCalendar, Tag("calendar")],
    Discriminator(lambda value: "calendar" if isinstance(value, dict | ExcludedCalendar) else "date"),
]


class Misfire(StrictModel):
    """What becomes of ticks that could not fire in time, because Temporal or the orchestrator was away."""

    policy: MisfirePolicy = "fire_once"
    """`skip`: none of them fires; `fire_once`: the latest; `fire_all`: each of them."""
    window: Duration = "1h"
    """How late a tick may be and still count; older ones never fire."""


class CronTrigger(StrictModel):
    """Which times start a run: the union of `cron`, `every` and `calendars`, less `exclude`."""

    type: Literal["cron"]
    """`cron`: a run for every tick of the schedule."""
    cron: tuple[Cron, ...] | None = Field(default=None, min_length=1, max_length=MAX_TIMES, strict=False)
    """Cron expressions of five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."""
    every: tuple[Interval, ...] | None = Field(default=None, min_length=1, max_length=MAX_TIMES, strict=False)
    """Intervals."""
    calendars: tuple[Calendar, ...] | None = Field(default=None, min_length=1, max_length=MAX_TIMES, strict=False)
    """Calendars with a field for every unit, down to seconds."""
    exclude: tuple[Excluded, ...] = Field(default=(), max_length=MAX_EXCLUDED, strict=False)
    """Local times that are left out: dates such as `2026-12-25`, or calendars."""
    start: Moment | None = None
    """RFC 3339; no tick before it."""
    end: Moment | None = None
    """RFC 3339; no tick after it."""
    timezone: Zone = "UTC"
    """IANA name, in which cron expressions, calendars and exclusions are meant."""
    jitter: Duration | None = None
    """Each start is put off by a time between zero and this, always the same for a tick."""
    overlap: Overlap = "skip"
    """What a tick does while a run of the definition is open."""
    misfire: Misfire = Misfire()
    """What becomes of ticks that could not fire in time."""

    @model_validator(mode="after")
    def _has_times(self) -> Self:
        if self.cron is None and self.every is None and self.calendars is None:
            raise problem("no_times", "found no times; required is at least one of cron, every, calendars")
        spec = self.spec
        if spec.start is not None and spec.end is not None and spec.end <= spec.start:
            raise problem("order", f"found end {self.end}, not after start {self.start}")
        if excludes_everything(spec):
            raise problem("never", "found exclude that leaves out every time of the trigger; narrow it down")
        return self

    @cached_property
    def spec(self) -> ScheduleSpec:
        """What it means."""
        return ScheduleSpec(
            calendars=(
                *(parse_cron(text) for text in self.cron or ()),
                *(calendar.spec for calendar in self.calendars or ()),
            ),
            intervals=tuple(map(_interval, self.every or ())),
            exclude=tuple(map(_excluded, self.exclude)),
            start=_moment(self.start),
            end=_moment(self.end),
            timezone=self.timezone,
            jitter=timedelta(seconds=parse_duration(self.jitter)) if self.jitter else timedelta(0),
        )

    @property
    def misfire_window(self) -> timedelta:
        """How late a tick may be and still count."""
        return timedelta(seconds=parse_duration(self.misfire.window))


def _interval(written: Interval) -> IntervalSpec:
    offset = parse_duration(written.offset) if written.offset else 0
    return IntervalSpec(every=int(parse_duration(written.interval)), offset=int(offset))


def _excluded(written: str | ExcludedCalendar) -> CalendarSpec:
    if isinstance(written, ExcludedCalendar):
        return written.spec
    day = date.fromisoformat(written)
    fields = {"year": str(day.year), "month": str(day.month), "day_of_month": str(day.day)}
    return calendar_spec({**dict.fromkeys(("second", "minute", "hour"), "*"), **fields})


def _moment(written: str | None) -> datetime | None:
    return None if written is None else parse_time(written).astimezone(UTC)
