"""`taskfactory apply`: definitions and topic mappings from files into the registry, all of them or none."""

import getpass
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import typer

from taskfactory.cli.database import registry
from taskfactory.cli.errors import BadInput
from taskfactory.cli.options import Files
from taskfactory.cli.settings import CliSettings
from taskfactory.definitions import ActivityDefinition, Documents, InvalidDefinitions, TopicMapping, load_documents
from taskfactory.registry import DefinitionStore

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})


def apply(
    file: Files,
) -> None:
    """Register activity definitions and topic mappings from files: all of them, or none.

    All files are checked first; one error anywhere, and nothing is applied. What did not change keeps its version; the
    services see changes within a second.
    """
    documents = read_documents(file)
    settings = CliSettings()
    with registry(settings) as engine:
        applied = DefinitionStore(engine).apply(documents.definitions, getpass.getuser(), documents.mappings)
    for item in applied:
        what = f"mapping of topic {item.name}" if item.kind == "TopicMapping" else item.name
        typer.echo(f"{item.action} {what} (version {item.version})")


def read_documents(sources: Sequence[str]) -> Documents:
    """The definitions and mappings of all sources, checked, in their order.

    Args:
        sources: paths of files or folders, `-` for standard input.

    Raises:
        BadInput: lists everything that is wrong with any of them, `file:line:column: path: message` each.
    """
    problems: list[str] = []
    definitions: list[ActivityDefinition] = []
    mappings: list[TopicMapping] = []
    places: dict[tuple[str, str], str] = {}
    for origin, text in _texts(sources, problems):
        try:
            loaded = load_documents(text, origin)
        except InvalidDefinitions as error:
            problems.extend(map(str, error.errors))
            continue
        named = [("name", each.name) for each in loaded.definitions] + [
            ("topic", each.topic) for each in loaded.mappings
        ]
        for naming in named:
            if naming in places:
                field, name = naming
                problems.append(f"{origin}: the {field} {name!r} is taken by {places[naming]}; {field}s are unique")
            places[naming] = origin
        definitions.extend(loaded.definitions)
        mappings.extend(loaded.mappings)
    if problems:
        raise BadInput(problems)
    if not definitions and not mappings:
        raise BadInput([f"no definitions in {', '.join(sources)}"])
    return Documents(tuple(definitions), tuple(mappings))


def _texts(sources: Sequence[str], problems: list[str]) -> Iterator[tuple[str, str]]:
    seen: set[Path] = set()
    for source in dict.fromkeys(sources):
        if source == "-":
            yield "<stdin>", sys.stdin.read()
            continue
        for path in _files(Path(source), problems):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            try:
                yield str(path), path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                problems.append(f"{path}: not UTF-8 text (byte {error.start})")
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")


def _files(source: Path, problems: list[str]) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if not found:
        problems.append(f"{source}: the folder has no {', '.join(sorted(f'*{suffix}' for suffix in SUFFIXES))}")
    return found
