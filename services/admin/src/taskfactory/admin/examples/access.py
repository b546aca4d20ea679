"""Examples about who calls, what they did, and the document itself."""

from collections.abc import Mapping
from typing import Any, Final

from taskfactory.admin.examples import shop
from taskfactory.admin.examples.exchange import Exchange

EXPIRES: Final = "2027-02-22T08:00:00Z"
KEY: Final[dict[str, Any]] = {
    "id": "k3v9q2ax",
    "name": "ci",
    "roles": ["author"],
    "created_at": shop.at("08:00:00"),
    "created_by": shop.ANN,
    "expires_at": EXPIRES,
    "revoked_at": None,
    "last_used_at": shop.at("10:00:00"),
}
LINE: Final = {
    "number": 214,
    "at": shop.at("09:30:00"),
    "actor": shop.ANN,
    "action": "rerun",
    "resource": "run",
    "name": shop.RUN,
    "reason": shop.MENDED,
    "request_id": shop.REQUEST,
    "detail": {"result": "started", "rerun": shop.RERUN},
}

EXCHANGES: Final[Mapping[str, Exchange]] = {
    "GET /openapi.json": Exchange(
        {200: {"openapi": "3.1.0", "info": {"title": "taskfactory", "version": "0.1.0"}, "paths": {}}}
    ),
    "GET /v1/me": Exchange({200: {"actor": shop.CI, "roles": ["author"], "expires_at": EXPIRES}}),
    "GET /v1/keys": Exchange({200: shop.page(KEY)}),
    "POST /v1/keys": Exchange(
        {201: {**KEY, "last_used_at": None, "key": "tf_k3v9q2ax_the-secret-of-43-characters"}},
        {"name": "ci", "roles": ["author"], "expires_in": "90d", "reason": "the pipeline applies definitions"},
    ),
    "GET /v1/audit-trail": Exchange({200: shop.page(LINE)}),
}
"""By method and path."""
