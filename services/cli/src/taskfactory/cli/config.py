"""`taskfactory config`: the settings in force, where each comes from; secrets masked."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from taskfactory.cli.errors import BadInput
from taskfactory.cli.output import Output, OutputOption, Table, show
from taskfactory.cli.plugins import SERVICES, SETTINGS, plugins
from taskfactory.cli.variables import variable
from taskfactory.runtime.settings import masked


@dataclass(frozen=True)
class Setting:
    """One variable of one service."""

    service: str
    variable: str
    value: Any
    """In force; secrets are masked."""
    source: Literal["environment", "default"]


def config(
    service: Annotated[str | None, typer.Argument(help="Only this service; default: all that are installed.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the settings in force, and where each comes from.

    Every setting is an environment variable; secrets are masked.
    """
    found = _in_force()
    if service is not None and service not in found:
        raise BadInput([f"no service {service!r} is installed; there are {', '.join(sorted(found))}"])
    chosen = found if service is None else {service: found[service]}
    settings = [setting for name, values in chosen.items() for setting in described(name, values, os.environ)]
    rows = [(item.service, item.variable, _text(item.value), item.source) for item in settings]
    show(output, Table(("SERVICE", "VARIABLE", "VALUE", "FROM"), rows), [asdict(item) for item in settings])


def _in_force() -> dict[str, BaseSettings]:
    """The settings of everything installed, as their processes would read them from this environment."""
    services = {plugin.name: plugin.load()().settings for plugin in plugins(SERVICES)}
    others = {plugin.name: plugin.load()() for plugin in plugins(SETTINGS)}
    return services | others


def described(service: str, settings: BaseSettings, environment: Mapping[str, str]) -> Iterator[Setting]:
    """Every variable of a settings object, nested ones each on their own, with its masked value and its source.

    Args:
        service: whose settings they are.
        settings: read from `environment`.
        environment: names count in any case, as Pydantic reads them.
    """
    given = {name.upper() for name in environment}
    for name in type(settings).model_fields:
        for path, value in _flat((name,), masked(name, getattr(settings, name))):
            # A nested value may also be given as a whole, in JSON.
            wholes = (variable(*path[:depth]) for depth in range(1, len(path) + 1))
            yield Setting(service, variable(*path), value, "environment" if given & set(wholes) else "default")


def _flat(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat((*path, str(key)), item)
    elif isinstance(value, BaseModel):
        yield from _flat(path, value.model_dump(mode="json"))
    else:
        yield path, list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if value is None or value in ({}, []):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
