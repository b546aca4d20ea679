"""CEL, the expression language of definitions. The only module that knows the engine.

The engine returns errors as values of type ERROR; here they are raised. Its maps iterate in an order that changes from
run to run, so maps come back with sorted keys. Whatever cannot be said in JSON is refused.
"""

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Final, Self

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import ext_strings  # type: ignore[import-untyped]

from taskfactory.definitions.stand_ins import needs_stand_ins, put_stand_ins, take_stand_ins

MAX_EXPRESSION_LENGTH: Final = 10_000
"""Not a setting: a definition must not be valid where it is applied and refused where it runs."""
_OUT_OF_STEPS: Final = "Iteration budget exceeded"

_STEPS: Final = (
    "allowed are fewer than 10000 elements that one expression goes through, those of inner loops included; filter the "
    "list first, or give each element a task with foreach"
)
"""The engine's own bound of what one evaluation may cost; it can't be set."""

_STATUS = re.compile(r"^[A-Z_]+: ")
_PLACE = re.compile(r"^ERROR: <input>:(\d+):(\d+): ", re.MULTILINE)
_NOISE = re.compile(r" \(in container ''\)|(?: expecting \{[^\n]*\})|\s*\[[A-Z_]+\]$")


class CompileError(ValueError):
    """The text is not a CEL expression, or names something that does not exist at its place."""

    def __init__(self, expression: str, message: str, line: int, column: int) -> None:
        """Take the engine's sentence with its caret, and the place of the first error (both counted from 1)."""
        super().__init__(message)
        self.expression = expression
        self.message = message
        self.line = line
        self.column = column


class EvaluationError(ValueError):
    """The expression has no JSON value on this event: a missing key, a type clash, a division by zero, NaN."""

    def __init__(self, expression: str, message: str) -> None:
        """Take the expression as written and a sentence."""
        super().__init__(message)
        self.expression = expression
        self.message = message


@dataclass(frozen=True)
class Expression:
    """A compiled expression; safe to share between threads."""

    text: str
    program: Any = field(repr=False, compare=False)


@lru_cache(maxsize=16_384)
def compile_expression(text: str, variables: frozenset[str]) -> Expression:
    """Compile `text` with the variables that are allowed at its place, such as `event` or `context.customer`.

    Raises:
        CompileError: Syntax, an unknown name, a type clash that needs no data, or more than 10,000 characters.
    """
    if len(text) > MAX_EXPRESSION_LENGTH:
        message = f"found {len(text)} characters; allowed are at most {MAX_EXPRESSION_LENGTH} in an expression"
        raise CompileError(text, message, 1, 1)
    try:
        return Expression(text, _environment(variables).compile(text))
    except RuntimeError as error:
        raise _compile_error(text, str(error), variables) from None


@lru_cache(maxsize=16_384)
def compiles(text: str, variables: frozenset[str]) -> bool:
    """Whether the expression needs nothing but these variables."""
    try:
        compile_expression(text, variables)
    except CompileError:
        return False
    return True


class Bindings:
    """Values of variables, converted to CEL once and used by many expressions.

    An expression runs in the outermost bindings that it can do with: what does not depend on the `foreach` element
    reuses the converted event instead of converting it again for every element.
    """

    def __init__(self, values: Mapping[str, Any], outer: Self | None = None) -> None:
        """Bind JSON values to names; `outer` bindings stay visible."""
        self._own = dict(values)
        self._outer = outer
        self.names: frozenset[str] = frozenset(values) | (outer.names if outer else frozenset())

    def evaluate(self, text: str) -> Any:
        """Evaluate an expression to a JSON value.

        Timestamps become RFC 3339 text, durations seconds as in `3600s`, bytes base64; map keys are sorted.

        Raises:
            CompileError: The expression needs a name that is not bound here.
            EvaluationError: It has no value, or none that JSON can say.
        """
        if self._outer is not None and compiles(text, self._outer.names):
            return self._outer.evaluate(text)
        program = compile_expression(text, self.names).program
        try:
            result = program.eval(self._activation)
            failed = result.type() in (cel.Type.ERROR, cel.Type.UNKNOWN)
            value = result.value() if failed else _json(result.plain_value())
        except (RuntimeError, ValueError) as error:
            raise EvaluationError(text, _sentence(str(error))) from error
        if failed:
            raise EvaluationError(text, _sentence(str(value)))
        return take_stand_ins(value) if self._has_stand_ins else value

    @cached_property
    def _foreign(self) -> frozenset[str]:
        """Names of the values here, not outside, that need stand-ins."""
        return frozenset(name for name, value in self._own.items() if needs_stand_ins(value))

    @cached_property
    def _has_stand_ins(self) -> bool:
        return bool(self._foreign) or (self._outer is not None and self._outer._has_stand_ins)  # noqa: SLF001  one class

    @cached_property
    def _carried(self) -> dict[str, Any]:
        carried = dict(self._outer._carried) if self._outer is not None else {}  # noqa: SLF001  one class
        for name, value in self._own.items():
            carried[name] = put_stand_ins(value) if name in self._foreign else value
        return carried

    @cached_property
    def _activation(self) -> Any:
        return _environment(self.names).Activation(self._carried)


@lru_cache(maxsize=1_024)
def _environment(variables: frozenset[str]) -> Any:
    # A context value is declared under its dotted name: an unknown `context.x` is then found when the definition loads.
    declared = dict.fromkeys(sorted(variables), cel.Type.DYN)
    return cel.NewEnv(variables=declared, extensions=[ext_strings.ExtStrings()])


def _sentence(report: str) -> str:
    """The engine's report without its status codes and without its lists of every possible token."""
    sentence = _NOISE.sub("", _STATUS.sub("", report))
    return sentence.replace(_OUT_OF_STEPS, f"{_OUT_OF_STEPS}: {_STEPS}")


def _compile_error(text: str, report: str, variables: frozenset[str]) -> CompileError:
    message = _sentence(report)
    place = _PLACE.search(message)
    line, column = (int(place[1]), int(place[2])) if place else (1, 1)
    message = _PLACE.sub(lambda match: f"line {match[1]}, column {match[2]}: ", message)
    if "undeclared reference" in message:
        message += f"\nknown here: {', '.join(sorted(variables))}"
    return CompileError(text, message, line, column)


def _json(value: Any) -> Any:  # noqa: PLR0911  one return for each kind of value
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"the result holds {value}, which JSON cannot say")
            return value
        case list():
            return [_json(element) for element in value]
        case dict():
            return {_json_key(key): _json(value[key]) for key in sorted(value, key=str)}
        case bytes() | bytearray():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            return f"{value / timedelta(microseconds=1) / 1_000_000:f}".rstrip("0").rstrip(".") + "s"
        case _:
            raise ValueError(f"the result holds a {type(value).__name__}, which JSON cannot say")


def _json_key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the result holds a map with the key {key!r}; keys are text in JSON")  # noqa: TRY004  one error
    return key
