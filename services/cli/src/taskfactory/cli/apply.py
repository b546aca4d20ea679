"""`taskfactory apply`: definitions from files into the registry, all of them or none."""

import getpass
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from taskfactory.cli.database import registry
from taskfactory.cli.errors import BadInput
from taskfactory.cli.settings import CliSettings
from taskfactory.definitions import ActivityDefinition, InvalidDefinitions, load_definitions
from taskfactory.registry import DefinitionStore

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})


def apply(
    file: Annotated[
        list[str],
        typer.Option("--file", "-f", help="File, folder (its *.yaml, *.yml, *.json), or - for stdin; repeatable."),
    ],
) -> None:
    """Register activity definitions from files: all of them, or none.

    All files are checked first; one error anywhere, and nothing is applied. A definition that did not change keeps its
    version; the services see changes within a second.
    """
    definitions = read_definitions(file)
    settings = CliSettings()
    with registry(settings) as engine:
        applied = DefinitionStore(engine).apply(definitions, author=getpass.getuser())
    for item in applied:
        typer.echo(f"{item.action} {item.name} (version {item.version})")


def read_definitions(sources: Sequence[str]) -> list[ActivityDefinition]:
    """The definitions of all sources, checked, in their order.

    Args:
        sources: paths of files or folders, `-` for standard input.

    Raises:
        BadInput: lists everything that is wrong with any of them, `file:line:column: path: message` each.
    """
    problems: list[str] = []
    definitions: list[ActivityDefinition] = []
    places: dict[str, str] = {}
    for origin, text in _texts(sources, problems):
        try:
            loaded = load_definitions(text, origin)
        except InvalidDefinitions as error:
            problems.extend(map(str, error.errors))
            continue
        for definition in loaded:
            if definition.name in places:
                first = places[definition.name]
                problems.append(f"{origin}: the name {definition.name!r} is taken by {first}; names are unique")
            places[definition.name] = origin
        definitions.extend(loaded)
    if problems:
        raise BadInput(problems)
    if not definitions:
        raise BadInput([f"no definitions in {', '.join(sources)}"])
    return definitions


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
