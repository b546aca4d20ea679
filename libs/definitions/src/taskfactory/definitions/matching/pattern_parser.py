"""Reading patterns: every problem is collected, none stops the reading.

`$or` is multiplied out into branches, each a set of fields that all must match. Where a field stands both beside `$or`
and inside it, the later one counts (event-ruler's rule, which EventBridge follows).
"""

import sys
from collections.abc import Mapping
from typing import Any, Final

from taskfactory.definitions.matching.clauses import Clause, shared
from taskfactory.definitions.matching.operands import OPERATOR_NAMES, InvalidOperand, is_number, parse_operator
from taskfactory.definitions.matching.operators import Exists, Operator, exact
from taskfactory.definitions.paths import Path, Problem
from taskfactory.definitions.suggestions import found

MAX_BRANCHES: Final = 1_000
OR: Final = "$or"


FieldClauses = dict[str, Clause]
"""Clauses by path; all must hold."""


class PatternParser:
    """Reads one pattern; `problems` holds what was wrong with it."""

    def __init__(self) -> None:
        """Start without problems."""
        self.problems: list[Problem] = []

    def parse(self, pattern: Any) -> list[FieldClauses]:
        """Give the branches; they mean nothing when there are problems."""
        if not isinstance(pattern, Mapping):
            self._refuse((), f"found {found(pattern)}; allowed is a mapping of fields")
            return []
        return self._object(pattern, (), "", [{}], inside_or=False)

    def _object(
        self, fields: Mapping[Any, Any], place: Path, path: str, branches: list[FieldClauses], *, inside_or: bool
    ) -> list[FieldClauses]:
        if not fields:
            self._refuse(place, "found an empty mapping; name at least one field")
        for name, value in fields.items():
            here = (*place, str(name))
            field = f"{path}.{name}" if path else str(name)
            if name == OR:
                branches = self._or(value, here, path, branches)
            elif inside_or and name in OPERATOR_NAMES:
                self._refuse(
                    here, f"found the operator {name} where a field is expected; write {{<field>: [{{{name}: …}}]}}"
                )
            elif isinstance(value, Mapping):
                branches = self._object(value, here, field, branches, inside_or=inside_or)
            elif isinstance(value, list):
                clause = self._clause(value, here, field)
                branches = [branch | {field: clause} for branch in branches]
            else:
                self._refuse(
                    here, f"found {found(value)}; allowed is a list of values, such as [{found(value)}], or a mapping"
                )
        return branches

    def _or(self, alternatives: Any, place: Path, path: str, branches: list[FieldClauses]) -> list[FieldClauses]:
        if not isinstance(alternatives, list) or len(alternatives) < 2:  # noqa: PLR2004  one is no alternative
            self._refuse(place, f"found {found(alternatives)}; allowed is a list of at least two mappings")
            return branches
        if len(alternatives) * len(branches) > MAX_BRANCHES:
            self._refuse(
                place, f"found more than {MAX_BRANCHES} combinations of $or; write several definitions instead"
            )
            return branches
        combined: list[FieldClauses] = []
        for position, alternative in enumerate(alternatives):
            here = (*place, position)
            if isinstance(alternative, Mapping):
                combined += self._object(alternative, here, path, branches, inside_or=True)
            else:
                self._refuse(here, f"found {found(alternative)}; allowed is a mapping of fields")
        return combined

    def _clause(self, values: list[Any], place: Path, path: str) -> Clause:
        if not values:
            self._refuse(place, "found an empty list, which matches nothing; name at least one value")
        operators: list[Operator] = []
        scalars: list[Any] = []
        absent = False
        for position, value in enumerate(values):
            here = (*place, position)
            if isinstance(value, Mapping):
                if value.get("exists") is False and len(value) == 1:
                    absent = True
                elif operator := self._operator(value, here):
                    operators.append(operator)
            elif value is None or isinstance(value, str | bool) or is_number(value):
                scalars.append(value)
            else:
                self._refuse(here, f"found {found(value)}; allowed are text, numbers, true, false, null and operators")
        if scalars:
            operators.insert(0, exact(scalars))
        clause = Clause(sys.intern(path), tuple(operators), absent, tuple(values))
        return clause if self.problems else shared(clause)

    def _operator(self, value: Mapping[Any, Any], place: Path) -> Operator | None:
        if len(value) != 1:
            names = ", ".join(map(str, value)) or "none"
            self._refuse(place, f"found the operators {names}; allowed is exactly one in each mapping")
            return None
        [(name, operand)] = value.items()
        here = (*place, str(name))
        if name == "exists":
            if operand is not True:
                self._refuse(here, f"found {found(operand)}; allowed are true and false")
            return Exists()
        try:
            return parse_operator(str(name), operand)
        except InvalidOperand as error:
            self._refuse(here, str(error))
            return None

    def _refuse(self, place: Path, message: str) -> None:
        self.problems.append(Problem(place, message))
