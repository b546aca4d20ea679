"""Whole requests and answers for the OpenAPI document, one story; `EXCHANGES` has one for every operation with a body.

Only the document reads them. A test holds each against its schema, so one that has fallen behind is found.
"""

from collections.abc import Mapping
from typing import Final

from taskfactory.admin.examples import access, definitions, letters, runs, schedules
from taskfactory.admin.examples.exchange import Exchange
from taskfactory.admin.examples.troubles import problem

__all__ = ["EXCHANGES", "Exchange", "problem"]

EXCHANGES: Final[Mapping[str, Exchange]] = {
    **access.EXCHANGES,
    **definitions.EXCHANGES,
    **runs.EXCHANGES,
    **letters.EXCHANGES,
    **schedules.EXCHANGES,
}
"""By method and path, as `GET /v1/runs/{run_id}`."""
