"""The notation of calendar fields and cron expressions: `*`, `5`, `MON-FRI`, `0-30/10`, `1,15`, `@daily`.

What can be written is what Temporal's cron strings take, less the forms that say in a string what has a field of its
own here (seconds, years, timezones, `@every`). Source: Temporal's server, `service/worker/scheduler/calendar.go`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from taskfactory.definitions.schedule_spec import MAX_YEAR, MIN_YEAR, CalendarSpec, Range, Ranges
from taskfactory.definitions.suggestions import allowed, found

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_SUNDAY_TOO: Final = 7
_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_CRON_FIELDS: Final = ("minute", "hour", "day_of_month", "month", "day_of_week")
_PART = re.compile(r"(?P<first>\*|[a-z]+|\d+)(-(?P<last>[a-z]+|\d+))?(/(?P<step>\d+))?", re.ASCII | re.IGNORECASE)


class InvalidTimes(ValueError):  # noqa: N818  the subject, not the mechanism
    """The text says no times; the message says what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class CalendarField:
    """One unit of a calendar."""

    name: str
    lowest: int
    highest: int
    names: Mapping[str, int]
    """What may be written instead of numbers, in capitals."""
    example: str

    @property
    def every(self) -> Ranges:
        """What `*` means."""
        return (Range(self.lowest, self.highest),)

    @property
    def allowed(self) -> str:
        """What may be written, as the end of a sentence."""
        last = _SUNDAY_TOO if self.name == "day_of_week" else self.highest
        named = f" or {next(iter(self.names))}-{list(self.names)[-1]}" if self.names else ""
        return (
            f"allowed are numbers from {self.lowest} to {last}{named}, with *, ranges, steps and lists: {self.example}"
        )


FIELDS: Final = {
    field.name: field
    for field in (
        CalendarField("second", 0, 59, {}, "0, 0-30/10"),
        CalendarField("minute", 0, 59, {}, "0, */15, 10,40"),
        CalendarField("hour", 0, 23, {}, "9, 9-17, */2"),
        CalendarField("day_of_month", 1, 31, {}, "1, 1,15, 1-7"),
        CalendarField("month", 1, 12, dict(zip(_MONTHS, range(1, 13), strict=True)), "JAN, 1-3, */3"),
        CalendarField("day_of_week", 0, 6, dict(zip(_DAYS, range(7), strict=True)), "MON-FRI, 1, SAT,SUN"),
        CalendarField("year", MIN_YEAR, MAX_YEAR, {}, "2026, 2026-2030"),
    )
}


def parse_field(field: CalendarField, text: str) -> Ranges:
    """What a field takes, sorted, without repeats.

    Raises:
        InvalidTimes: It is written wrong or out of bounds.
    """
    ranges: set[Range] = set()
    for part in text.split(","):
        ranges |= _ranges(field, part)
    return tuple(sorted(ranges))


def field_text(field: CalendarField, value: Any) -> str:
    """A field as its author wrote it, a number or text, as text that `parse_field` takes.

    Raises:
        InvalidTimes: It is neither, or wrong.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise InvalidTimes(f"found {found(value)}; {field.allowed}")
    parse_field(field, text)
    return text


def parse_cron(text: Any) -> CalendarSpec:
    """The calendar of a cron expression of five fields, or of `@daily` and its like.

    Raises:
        InvalidTimes: It is none, never fires, or restricts both kinds of days.
    """
    if not isinstance(text, str):
        raise InvalidTimes(f"found {found(text)}; allowed is a cron expression such as '0 9 * * MON-FRI', or @daily")
    expression = text.strip()
    _refuse_what_has_a_field(expression)
    if expression.startswith("@"):
        if expression.lower() not in _MACROS:
            raise InvalidTimes(f"found {found(text)}; {allowed(_MACROS)}, or five fields")
        expression = _MACROS[expression.lower()]
    parts = expression.split()
    if len(parts) != len(_CRON_FIELDS):
        raise InvalidTimes(
            f"found {found(text)} with {len(parts)} fields; allowed are five (minute, hour, day of month, month, day "
            "of week). Seconds and years are written as one of `calendars`"
        )
    spec = calendar_spec(dict(zip(_CRON_FIELDS, parts, strict=True)))
    if _restricts("day_of_month", spec.day_of_month) and _restricts("day_of_week", spec.day_of_week):
        minute, hour, day, month, weekday = parts
        raise InvalidTimes(
            f"found {found(text)}, which restricts both day of month and day of week: cron fires when either holds, "
            f"Temporal when both do. For either, write two expressions, '{minute} {hour} {day} {month} *' and "
            f"'{minute} {hour} * {month} {weekday}'; for both, one of `calendars` with day_of_month: '{day}' and "
            f"day_of_week: '{weekday}'"
        )
    if not spec.ever:
        raise InvalidTimes(f"found {found(text)}, which never fires: none of its months has such a day")
    return spec


def calendar_spec(fields: Mapping[str, str]) -> CalendarSpec:
    """A calendar of fields that are texts; seconds that are left out are 0, any other field is `*`.

    Raises:
        InvalidTimes: A field is wrong.
    """

    def ranges(name: str) -> Ranges:
        return parse_field(FIELDS[name], fields.get(name, "0" if name == "second" else "*"))

    return CalendarSpec(
        second=ranges("second"),
        minute=ranges("minute"),
        hour=ranges("hour"),
        day_of_month=ranges("day_of_month"),
        month=ranges("month"),
        day_of_week=ranges("day_of_week"),
        year=ranges("year"),
    )


def _refuse_what_has_a_field(expression: str) -> None:
    upper = expression.upper()
    if upper.startswith(("TZ=", "CRON_TZ=")):
        raise InvalidTimes(f"found {found(expression)}; the zone has a field of its own: `timezone`")
    if upper.startswith("@EVERY"):
        raise InvalidTimes(
            f"found {found(expression)}; intervals have a field of their own: `every: [{{interval: 1h}}]`"
        )


def _ranges(field: CalendarField, part: str) -> set[Range]:
    match = _PART.fullmatch(part.strip())
    if match is None or (match["first"] == "*" and match["last"] is not None):
        raise InvalidTimes(f"found {found(part)} as {field.name}; {field.allowed}")
    step = int(match["step"] or 1)
    if not 1 <= step <= field.highest:
        raise InvalidTimes(f"found the step {step} in {found(part)} as {field.name}; allowed is 1 to {field.highest}")
    if match["first"] == "*":
        return {Range(field.lowest, field.highest, step)}
    first = _number(field, match["first"], part)
    if match["last"] is None:
        # As Temporal does: `5/15` goes on to the end, `5` alone does not.
        last = first if match["step"] is None else max(field.highest, first)
    else:
        last = _number(field, match["last"], part)
    if last < first:
        raise InvalidTimes(
            f"found {found(part)} as {field.name}, a range that goes backwards; write two ranges, separated by a comma"
        )
    if field.name == "day_of_week" and last == _SUNDAY_TOO:
        return {Range(day % 7, day % 7) for day in range(first, last + 1, step)}
    last -= (last - first) % step
    return {Range(first, last, step if last > first else 1)}


def _number(field: CalendarField, text: str, part: str) -> int:
    highest = _SUNDAY_TOO if field.name == "day_of_week" else field.highest
    value = int(text) if text.isdigit() else field.names.get(text.upper())
    if value is None or not field.lowest <= value <= highest:
        raise InvalidTimes(f"found {found(text)} in {found(part)} as {field.name}; {field.allowed}")
    return value


def _restricts(name: str, ranges: Ranges) -> bool:
    field = FIELDS[name]
    return not all(any(value in span for span in ranges) for value in range(field.lowest, field.highest + 1))
