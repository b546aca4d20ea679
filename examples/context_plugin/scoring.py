"""Scores an amount. The protocol is structural: nothing of taskfactory has to be imported."""

from collections.abc import Mapping
from typing import Any


class Scoring:
    """Made once in each process, without arguments; its own settings would come from its own environment."""

    async def fetch(self, given: Mapping[str, Any], request: Any) -> dict[str, Any]:
        """The score, as JSON. `request` has run_id, name, definition and timeout."""
        amount = float(given["amount"])
        return {"score": min(int(amount // 100), 10), "of": request.definition}
