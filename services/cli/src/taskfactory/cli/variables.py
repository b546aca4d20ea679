"""Environment variables as people meet them: their names, what was wrong with them, what to set."""

import os
from typing import Final

from pydantic import ValidationError
from pydantic_settings import SettingsError

from taskfactory.runtime.settings import masked

LOCAL_STACK: Final = 'set -a; eval "$(taskfactory dev up --format env)"; set +a'
"""Points a shell at the local stack, starting it if need be."""


def settings_problems(error: ValueError) -> list[str]:
    """One line per variable that a settings class refused; none if the error is about something else."""
    if isinstance(error, SettingsError):
        return [f"{error}: {error.__cause__}"]
    if not isinstance(error, ValidationError) or not error.title.endswith("Settings"):
        return []
    return [
        f"{variable(*map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
        f" (found {masked(str(item['loc'][0]), item['input'])!r})"
        for item in error.errors(include_url=False, include_context=False)
    ]


def reaching(name: str, also: str = "") -> str:
    """What to do when a server does not answer: most often it is the local stack's addresses that are not set.

    Args:
        name: the variable with the server's address.
        also: what else may be wrong, ` and …`.
    """
    if name in os.environ:
        return f"Start it (`taskfactory dev up`), or check {name}{also}."
    return f"{name} is not set; for the local stack: {LOCAL_STACK}"


def variable(*path: str) -> str:
    """The environment variable of a setting: `("temporal_tls", "domain")` → `TASKFACTORY_TEMPORAL_TLS__DOMAIN`."""
    return "TASKFACTORY_" + "__".join(part.upper() for part in path)
