"""Settings of context sources: the operator's connections, and how much a value may be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from taskfactory.definitions.source import read_documents
from taskfactory.orchestrator.context.connections import parse_connections
from taskfactory.runtime.settings import SettingsBlock


class ContextSettings(SettingsBlock):
    """What context sources outside may reach. `TASKFACTORY_CONNECTIONS__CRM__BASE_URL` is `base_url` of `crm`."""

    connections_file: Path | None = None
    """YAML with `connections:`, a mapping of names to connections; see docs/context.md."""
    connections: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    """By name; fields given here win over those of the file. What is read are `HttpConnection`s and `SqlConnection`s;
    the type is wider because the environment's reader would take lists for JSON otherwise."""
    max_context_bytes: int = Field(1_000_000, ge=1_000)
    """Largest value of one context source, as JSON."""
    context_cache_bytes: int = Field(64_000_000, ge=0)
    """Memory of each process for HTTP answers that are used again; 0 switches that off."""

    @field_validator("connections", mode="before")
    @classmethod
    def _with_those_of_the_file(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, Mapping):
            raise ValueError("allowed is a mapping of names to connections")  # noqa: TRY004 -- Pydantic's protocol
        file = info.data.get("connections_file")
        return parse_connections(_merged({} if file is None else _read(file), _from_environment(given)))


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} can't be read: {type(error).__name__}") from error
    documents = list(read_documents(text))
    for document in documents:
        for place, _, message in document.errors:
            raise ValueError(f"{file}:{place.line}:{place.column}: {message}")
    value = documents[0].value if len(documents) == 1 else None
    connections = value.get("connections") if isinstance(value, dict) else None
    if not isinstance(connections, dict) or not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"{file}: allowed is one document with `connections:`, a mapping of names to connections")
    return connections


def _from_environment(given: Mapping[str, Any]) -> dict[str, Any]:
    """Names of headers have hyphens, which names of variables can't have."""
    found: dict[str, Any] = {}
    for name, fields in given.items():
        headers = fields.get("headers") if isinstance(fields, dict) else None
        if isinstance(headers, dict):
            found[name] = {**fields, "headers": {key.replace("_", "-"): str(value) for key, value in headers.items()}}
        else:
            found[name] = fields
    return found


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {key: _merged(below.get(key), above[key]) if key in above else below[key] for key in {**below, **above}}
