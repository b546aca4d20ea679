"""YAML (and so JSON) as JSON values that remember where each of them was written.

YAML 1.2 with what JSON can say: no tags, no merge keys, text as keys, each key once. Dates stay text. Aliases are
written out, up to a limit of values and levels, so that a file cannot unfold into more than memory holds.
"""

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scanner import Scanner

from taskfactory.definitions.limits import DocumentLimits
from taskfactory.definitions.paths import Path

_TAG: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({"str", "timestamp", "merge"})


class Place(NamedTuple):
    """A position in the text, both counted from 1."""

    line: int
    column: int


class SourceError(NamedTuple):
    """A place in the text that is not JSON said in YAML."""

    place: Place
    path: Path
    message: str


class Document(NamedTuple):
    """One document of a file."""

    value: Any
    """JSON."""
    values: dict[Path, Place]
    """Where each value begins."""
    keys: dict[Path, Place]
    """Where the key of each mapping's value begins."""
    errors: list[SourceError]


def read_documents(text: str, limits: DocumentLimits = DocumentLimits()) -> Iterator[Document]:  # noqa: B008 -- frozen
    """Read every document of a text that is not empty.

    A syntax error, or a document too many, ends it with a document that holds the error.
    """
    count = 0
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _bounded_scanner(limits.depth)
    try:
        for node in yaml.compose_all(text):
            count += 1
            if count > limits.documents:
                most = limits.documents
                message = f"found more than {most} documents; allowed are at most {most} at once"
                yield _broken(_place(node), f"{message} (TASKFACTORY_MAX_DOCUMENTS)")
                return
            reader = _Reader(limits)
            value = reader.read(node, ())
            if value is not None or reader.errors:
                yield Document(value, reader.values, reader.keys, reader.errors)
    except RecursionError:
        yield _broken(Place(1, 1), f"found deeper nesting than can be read; {_allowed_depth(limits)}")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        sentence = ", ".join(str(part) for part in (error.context, error.problem) if part)
        yield _broken(place, f"this is not YAML: {sentence}")
    except YAMLError as error:
        yield _broken(Place(1, 1), f"this is not YAML: {' '.join(str(error).split())}")


def _broken(place: Place, message: str) -> Document:
    return Document(None, {}, {}, [SourceError(place, (), message)])


def _bounded_scanner(depth: int) -> type[Scanner]:
    """A scanner that stops where brackets are nested so deeply that the document will be refused for it.

    Each token costs it time for every bracket that is open, so a few kilobytes of them would keep it busy for seconds.
    Up to twice as many levels as are allowed are left to the reader, whose error says where they are.
    """

    class BoundedScanner(Scanner):
        def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:  # noqa: N803 -- the library's name
            if len(self.flow_context) > 2 * depth:
                raise RecursionError
            super().fetch_flow_collection_start(TokenClass, to_push)

    return BoundedScanner


class _TooMuch(Exception):  # noqa: N818  it never leaves this module
    """Reading this document must stop."""


class _Reader:
    def __init__(self, limits: DocumentLimits) -> None:
        self._limits = limits
        self.values: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self.errors: list[SourceError] = []

    def read(self, node: Node, path: Path) -> Any:
        try:
            return self._value(node, path)
        except _TooMuch:
            return None

    def _value(self, node: Node, path: Path) -> Any:
        self.values[path] = _place(node)
        if len(path) > self._limits.depth:
            self._refuse(node, path[:1], f"found {len(path)} levels; {_allowed_depth(self._limits)}")
            raise _TooMuch
        if len(self.values) > (most := self._limits.values):
            message = f"found more than {most} values, aliases written out; allowed are at most {most}"
            self._refuse(node, path[:1], f"{message} (TASKFACTORY_MAX_YAML_VALUES)")
            raise _TooMuch
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._value(element, (*path, position)) for position, element in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode) or _short_tag(key_node) not in _TEXT_TAGS:
                self._refuse(key_node, path, f"found {_written(key_node)} as a key; keys are text, put it in quotes")
                continue
            key = self._text(key_node, path)
            here = (*path, key)
            if _short_tag(key_node) == "merge":
                self._refuse(key_node, here, "found the merge key <<; write the fields out instead")
            elif key in mapping:
                self._refuse(
                    key_node, here, f"found the key '{key}' again; the first is in line {self.keys[here].line}"
                )
            else:
                self.keys[here] = _place(key_node)
                mapping[key] = self._value(value_node, here)
        return mapping

    def _scalar(self, node: Node, path: Path) -> Any:
        text = node.value
        match _short_tag(node):
            case "null":
                return None
            case "bool":
                return text.lower() in ("true", "yes", "on", "y")
            case "int":
                return self._number(node, path, _int(text))
            case "float":
                return self._number(node, path, _float(text))
            case tag if tag in _TEXT_TAGS:
                return self._text(node, path)
            case _:
                self._refuse(node, path, f"found the tag {node.tag}; tags are not used here")
                return None

    def _number(self, node: Node, path: Path, number: float | None) -> float | None:
        if number is None:
            self._refuse(node, path, f"found {node.value[:60]}, which is no number in JSON")
        return number

    def _text(self, node: Node, path: Path) -> str:
        text: str = node.value
        if text.isascii():
            return text
        try:  # JSON writes characters beyond U+FFFF as two escapes, which YAML reads as two characters
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._refuse(node, path, "found a lone surrogate, which is no character")
            return ""

    def _refuse(self, node: Node, path: Path, message: str) -> None:
        self.errors.append(SourceError(_place(node), path, message))


def _allowed_depth(limits: DocumentLimits) -> str:
    return f"allowed are at most {limits.depth} levels (TASKFACTORY_MAX_YAML_DEPTH)"


def _int(text: str) -> int | None:
    try:
        return int(text, 0 if text.lstrip("+-")[:2] in ("0x", "0o") else 10)
    except ValueError:  # sexagesimal numbers, and more digits than Python reads
        return None


def _float(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:  # .inf and .nan
        return None
    return number if math.isfinite(number) else None


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _short_tag(node: Node) -> str:
    tag = str(node.tag)
    return tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag


def _written(node: Node) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else "a list or mapping"
