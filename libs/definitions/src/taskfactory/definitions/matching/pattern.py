"""`EventPattern`: which events a definition takes, decided and explained by the same code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from taskfactory.definitions.matching.clauses import Branch, Clause, holds
from taskfactory.definitions.matching.flatten import FlatEvent, leaves_at, selection
from taskfactory.definitions.matching.pattern_parser import PatternParser
from taskfactory.definitions.paths import Problem, render_path


class InvalidPattern(ValueError):  # noqa: N818  the subject, not the mechanism
    """A pattern that cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Take at least one problem; paths are relative to the pattern."""
        super().__init__(
            "; ".join(f"{render_path(path)}: {message}" if path else message for path, message, _ in problems)
        )
        self.problems = problems


class Mismatch(NamedTuple):
    """Why an event is not taken."""

    path: str
    """The dotted path of the field; several with commas when each matches, but never in the same array element."""
    expected: tuple[Any, ...]
    """The pattern's values and operators, as written."""
    actual: tuple[Any, ...]
    """The event's values; empty when the field does not exist."""
    reason: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class EventPattern:
    """An EventBridge pattern over an envelope's JSON form. Immutable; safe to share between threads."""

    branches: tuple[Branch, ...]
    """One of them must hold, with all its clauses."""

    @classmethod
    def parse(cls, pattern: Mapping[str, Any]) -> Self:
        """Read a pattern.

        Raises:
            InvalidPattern: With every problem in it.
        """
        parser = PatternParser()
        branches = parser.parse(pattern)
        if parser.problems:
            raise InvalidPattern(tuple(parser.problems))
        return cls(tuple(tuple(branch.values()) for branch in branches))

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether the pattern takes the event (CloudEvents JSON form).

        Raises:
            EventTooDeep: A field that the pattern asks about is nested deeper than 200 levels.
        """
        flat = self._flatten(event)
        return any(holds(branch, flat) for branch in self.branches)

    def explain(self, event: Mapping[str, Any]) -> list[Mismatch]:
        """Say what keeps the event from matching: of all alternatives, the one that comes nearest.

        The list is empty exactly when the event matches.

        Raises:
            EventTooDeep: A field that the pattern asks about is nested deeper than 200 levels.
        """
        flat = self._flatten(event)
        return min((_mismatches(branch, flat) for branch in self.branches), key=len)

    def _flatten(self, event: Mapping[str, Any]) -> FlatEvent:
        return selection(frozenset(clause.path for branch in self.branches for clause in branch)).flatten(event)


def _mismatches(branch: Branch, event: FlatEvent) -> list[Mismatch]:
    if holds(branch, event):
        return []
    alone = [clause for clause in branch if not holds((clause,), event)]
    if alone:
        return [_mismatch(clause, event) for clause in alone]
    return [
        Mismatch(
            ", ".join(clause.path for clause in branch),
            tuple(value for clause in branch for value in clause.expected),
            (),
            "each of these fields matches, but not within the same element of an array",
        )
    ]


def _mismatch(clause: Clause, event: FlatEvent) -> Mismatch:
    actual = tuple(value for value, _ in leaves_at(event, clause.path))
    if not actual:
        reason = "the field does not exist (objects and empty arrays do not count)"
    elif clause.absent:
        reason = "the field exists"
    else:
        reason = "no value of the field matches"
    return Mismatch(clause.path, clause.expected, actual, reason)
