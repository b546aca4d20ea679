"""A schema under which somebody else wrote Avro, parsed once, and made safe to read with.

fastavro follows the schema wherever the bytes lead it. Two kinds of schemas would let a few bytes exhaust the process:
one that contains itself (nesting as deep as the value is long overflows the C stack), and an array of things that take
no bytes (its declared length alone is memory). Both are refused here, as is nesting beyond `json_text.MAX_DEPTH`.

Names of types play no part in reading, except the record's own, which says what it is. So types get plain names here,
which spares us namespaces and schemas that reference others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from fastavro.schema import parse_schema
from fastavro.types import Schema

from taskfactory.envelope import avro_json, json_text

MAX_DECIMAL_SCALE: Final = 1_000

_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class SchemaRefused(ValueError):  # noqa: N818 - reads as what it is
    """A schema that is not read. The message is a clause about it: `contains itself (io.shop.Node)`."""


@dataclass(frozen=True, eq=False)
class WriterSchema:
    """How some values are written.

    Attributes:
        name: The record's full name; None where the values are no records.
        raw: For fastavro, without logical types: values as they are in Avro.
        as_json: For fastavro: values as JSON (docs/envelope.md, "Avro as JSON").
    """

    name: str | None
    raw: Schema = field(repr=False)
    as_json: Schema = field(repr=False)


class Schemas(Protocol):
    """The schemas that are known already. A dict will do; `SchemaRegistry` is one that learns."""

    def get(self, schema_id: int, /) -> WriterSchema | None:
        """Give the schema with this id; None when it is not known yet."""


def parse_writer_schema(text: str, references: Sequence[str] = ()) -> WriterSchema:
    """Parse a schema.

    Args:
        text: Avro's JSON form.
        references: Schemas that it uses by name, each behind those that it uses itself.

    Raises:
        SchemaRefused: It is not Avro, or not safe to read with.
    """
    named: dict[str, Any] = {}
    try:
        for reference in references:
            parse_schema(_without_defaults(json_text.parse(reference)), named)
        parsed: Any = parse_schema(_without_defaults(json_text.parse(text)), named)
    except Exception as error:  # noqa: BLE001 - fastavro raises whatever the text led it to
        raise SchemaRefused(f"is not an Avro schema ({type(error).__name__}: {str(error)[:200]})") from None
    top = named.get(parsed, parsed) if isinstance(parsed, str) else parsed
    name = top["name"] if isinstance(top, dict) and top["type"] in ("record", "error") else None
    return WriterSchema(
        name,
        parse_schema(_Rewriting(named, _raw).of(parsed)),
        parse_schema(_Rewriting(named, avro_json.node).of(parsed)),
    )


def _without_defaults(schema: Any) -> Any:
    """A writer's defaults are never used, and fastavro is stricter about them than what writes them."""
    if isinstance(schema, dict):
        return {key: _without_defaults(value) for key, value in schema.items() if key != "default"}
    return [_without_defaults(member) for member in schema] if isinstance(schema, list) else schema


def _raw(kind: str, declared: Mapping[str, Any]) -> Any:  # noqa: ARG001 - the form of `avro_json.node`
    return kind


class _Part(NamedTuple):
    """A type said anew; whether its values may take no bytes; how many levels it nests."""

    schema: Any
    empty: bool
    height: int


class _Rewriting:
    """One walk over a parsed schema; `leaf` says primitive types and `fixed` anew."""

    def __init__(self, named: Mapping[str, Any], leaf: Callable[[str, Mapping[str, Any]], Any]) -> None:
        self._named = named
        self._leaf = leaf
        self._done: dict[str, _Part] = {}
        self._open: set[str] = set()

    def of(self, schema: Any) -> Any:
        return self._part(schema, 0).schema

    def _part(self, schema: Any, depth: int) -> _Part:
        part = self._any(schema, depth) if depth <= json_text.MAX_DEPTH else None
        if part is None or depth + part.height > json_text.MAX_DEPTH:
            raise SchemaRefused(f"nests deeper than {json_text.MAX_DEPTH} levels")
        return part

    def _any(self, schema: Any, depth: int) -> _Part:
        if isinstance(schema, list):
            branches = [self._part(branch, depth) for branch in schema]
            return _Part([branch.schema for branch in branches], empty=False, height=_highest(branches))
        if isinstance(schema, str) and schema not in _PRIMITIVES:
            return self._done.get(schema) or self._named_type(schema, self._named[schema], depth)
        declared = schema if isinstance(schema, dict) else {"type": schema}
        return self._declared(declared["type"], declared, depth)

    def _declared(self, kind: str, declared: Mapping[str, Any], depth: int) -> _Part:
        match kind:
            case "array":
                items = self._part(declared["items"], depth + 1)
                if items.empty:
                    raise SchemaRefused("has an array of elements that take no bytes, so that its length has no bound")
                return _Part({"type": kind, "items": items.schema}, empty=False, height=items.height + 1)
            case "map":
                values = self._part(declared["values"], depth + 1)
                return _Part({"type": kind, "values": values.schema}, empty=False, height=values.height + 1)
            case "record" | "error" | "enum" | "fixed":
                return self._named_type(declared["name"], declared, depth)
            case _:
                _check_decimal(declared)
                return _Part(self._leaf(kind, declared), empty=kind == "null", height=0)

    def _named_type(self, name: str, declared: Mapping[str, Any], depth: int) -> _Part:
        if name in self._open:
            raise SchemaRefused(f"contains itself ({name})")
        self._open.add(name)
        plain = f"t{len(self._done) + len(self._open)}"
        part = self._definition(plain, declared, depth)
        self._open.remove(name)
        self._done[name] = part._replace(schema=plain)
        return part

    def _definition(self, plain: str, declared: Mapping[str, Any], depth: int) -> _Part:
        match declared["type"]:
            case "enum":
                return _Part({"type": "enum", "name": plain, "symbols": declared["symbols"]}, empty=False, height=0)
            case "fixed":
                size = declared["size"]
                if type(size) is not int or size < 0:
                    raise SchemaRefused(f"has a fixed type of size {str(size)[:30]}; a size is a whole number from 0")
                _check_decimal(declared)
                leaf = self._leaf("fixed", declared)
                said = leaf if isinstance(leaf, dict) else {"type": "fixed"}
                return _Part({**said, "name": plain, "size": size}, empty=size == 0, height=0)
            case _:
                names = [each["name"] for each in declared["fields"]]
                parts = [self._part(each["type"], depth + 1) for each in declared["fields"]]
                fields = [{"name": name, "type": part.schema} for name, part in zip(names, parts, strict=True)]
                empty = all(part.empty for part in parts)
                return _Part({"type": "record", "name": plain, "fields": fields}, empty, _highest(parts) + 1)


def _highest(parts: Sequence[_Part]) -> int:
    return max((part.height for part in parts), default=0)


def _check_decimal(declared: Mapping[str, Any]) -> None:
    scale = declared.get("scale", 0)
    if declared.get("logicalType") == "decimal" and not (type(scale) is int and 0 <= scale <= MAX_DECIMAL_SCALE):
        raise SchemaRefused(f"has a decimal of scale {str(scale)[:30]}; allowed are 0 to {MAX_DECIMAL_SCALE}")
