"""Definition files: which of them are meant, what they say, and everything that is wrong with them."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskfactory.cli.errors import BadInput
from taskfactory.definitions import (
    ActivityDefinition,
    DefinitionError,
    Documents,
    InvalidDefinitions,
    TopicMapping,
    load_documents,
)

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True)
class SourceText:
    """One file's content, and how errors name it."""

    origin: str
    text: str

    def to_json(self) -> dict[str, str]:
        """As the API takes it."""
        return {"origin": self.origin, "text": self.text}


@dataclass(frozen=True)
class Checked:
    """What texts say, and everything that is wrong with them."""

    documents: Documents
    problems: tuple[DefinitionError | str, ...]
    """In the order of the files; strings are about a file as a whole."""


def read_documents(sources: Sequence[str]) -> Documents:
    """The definitions and mappings of all sources, checked, in their order.

    Args:
        sources: paths of files or folders, `-` for standard input.

    Raises:
        BadInput: lists everything that is wrong with any of them, `file:line:column: path: message` each.
    """
    found = check_sources(sources)
    if found.problems:
        raise BadInput([str(problem) for problem in found.problems])
    return found.documents


def check_sources(sources: Sequence[str]) -> Checked:
    """The same, with what is wrong instead of an error."""
    problems: list[DefinitionError | str] = []
    texts = list(_texts(sources, problems))
    return _check(texts, problems)


def read_texts(sources: Sequence[str]) -> list[SourceText]:
    """The texts of all sources, for somebody else to check.

    Raises:
        BadInput: a file can't be read; lists everything else that is wrong, too.
    """
    problems: list[DefinitionError | str] = []
    texts = list(_texts(sources, problems))
    if problems:
        raise BadInput([str(problem) for problem in _check(texts, problems).problems])
    return texts


def _check(texts: Sequence[SourceText], unreadable: Sequence[DefinitionError | str]) -> Checked:
    problems = list(unreadable)
    definitions: list[ActivityDefinition] = []
    mappings: list[TopicMapping] = []
    places: dict[tuple[str, str], str] = {}
    for source in texts:
        origin = source.origin
        try:
            loaded = load_documents(source.text, origin)
        except InvalidDefinitions as error:
            problems.extend(error.errors)
            continue
        named = [("name", each.name) for each in loaded.definitions]
        named += [("topic", each.topic) for each in loaded.mappings]
        for field, name in named:
            first = places.setdefault((field, name), origin)
            if first != origin:
                message = f"found {name!r}, which {first} has too; each {field} stands for one document"
                problems.append(DefinitionError(origin, None, None, field, message))
        definitions.extend(loaded.definitions)
        mappings.extend(loaded.mappings)
    return Checked(Documents(tuple(definitions), tuple(mappings)), tuple(problems))


def _texts(sources: Sequence[str], problems: list[DefinitionError | str]) -> Iterator[SourceText]:
    seen: set[Path] = set()
    for source in dict.fromkeys(sources):
        if source == "-":
            yield SourceText("<stdin>", sys.stdin.read())
            continue
        for path in _files(Path(source), problems):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            try:
                yield SourceText(str(path), path.read_text(encoding="utf-8"))
            except UnicodeDecodeError as error:
                problems.append(f"{path}: not UTF-8 text (byte {error.start})")
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")


def _files(source: Path, problems: list[DefinitionError | str]) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if not found:
        problems.append(f"{source}: the folder has no {', '.join(sorted(f'*{suffix}' for suffix in SUFFIXES))}")
    return found
