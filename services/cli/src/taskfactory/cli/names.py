"""The names of definitions while somebody types one: asked of the API where it answers at once, else none.

Nothing is brought along for this: loading the API into the shell's own process for a Tab takes longer than typing.
"""

import os
from typing import Final

PATIENCE: Final = 1.0
"""Seconds for a Tab."""
SHOWN: Final = 100


def definition_names(incomplete: str) -> list[str]:
    """The definitions whose names begin so; none when there is no API, or none that answers at once.

    Args:
        incomplete: what was typed so far.
    """
    if "TASKFACTORY_API_URL" not in os.environ:
        return []
    import httpx  # noqa: PLC0415 -- only a Tab after a name needs it

    from taskfactory.cli.api_settings import ApiSettings  # noqa: PLC0415 -- loads Pydantic

    try:
        settings = ApiSettings()
        key = "" if settings.api_key is None else settings.api_key.get_secret_value()
        answer = httpx.get(
            f"{settings.api_url}/v1/definitions",
            params={"name_prefix": incomplete, "limit": SHOWN},
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE,
        )
        return [item["name"] for item in answer.raise_for_status().json()["items"]]
    except (httpx.HTTPError, ValueError, KeyError):  # a shell that completes has no place for an error
        return []
