"""The parts that error sentences share: what was found, what is allowed, what was probably meant."""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

_MAX_SHOWN: Final = 60


def found(value: Any) -> str:
    """Name a JSON value in a sentence: as it is, or what exceeds 60 characters cut (text) or by its kind."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= _MAX_SHOWN else f"'{value[:_MAX_SHOWN]}…'"
    text = json.dumps(value, default=repr, ensure_ascii=False)
    if len(text) <= _MAX_SHOWN:
        return text
    return (
        "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list | tuple) else text[:_MAX_SHOWN]
    )


def allowed(names: Iterable[str]) -> str:
    """List the allowed names: `allowed here are a, b`."""
    listed = list(names)
    return f"allowed here {'is' if len(listed) == 1 else 'are'} {', '.join(listed)}"


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """Refuse a name, with the nearest known one: `unknown field 'nmae'; did you mean 'name'? allowed here are …`."""
    listed = list(names)
    return f"unknown {kind} '{name}'; {hint(name, listed)}{allowed(listed)}"


def hint(name: Any, names: Iterable[str]) -> str:
    """The nearest known name, `did you mean 'event'? `; empty where none is near."""
    near = get_close_matches(name, list(names), n=1, cutoff=0.7) if isinstance(name, str) else ()
    return f"did you mean '{near[0]}'? " if near else ""
