"""The traffic of a fault test, drawn from a seed: definitions, and records with the fate that each must have. Pure."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tests.chaos.books import Fires, Refused

EACH_ORDER: Final = "each-order"
EACH_VISITOR: Final = "each-visitor"
STUMBLES: Final = "stumbles"
DEFINITIONS: Final = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: each-order
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}", timeout: 5s, params: {number: "${event.data.number}"}}
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: each-visitor
dedupe: {key: subject}
trigger: {type: event, match: {type: [test.visit]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}", timeout: 5s}
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: stumbles
trigger: {type: event, match: {type: [test.order], data: {odd: [true]}}, when: event.data.missing > 1}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}"}
"""
"""One run for each order, one for each visitor however often he comes, and one definition that can't decide."""

STRUCTURED: Final = {"content-type": b"application/cloudevents+json"}
VISITORS: Final = 8
HOT: Final = "hot"
"""The key with most of the traffic, where a mix has one."""


@dataclass(frozen=True, slots=True)
class Mix:
    """What the traffic consists of; shares are of all records."""

    records: int
    poison: float = 0.1
    """Can't be read."""
    repeated: float = 0.1
    """Is an earlier order again, as a producer sends it that got no answer."""
    ignored: float = 0.1
    """Is of no definition's business."""
    visits: float = 0.1
    """Is one of few visitors again."""
    odd: float = 0.05
    """Is an order that one definition stumbles over, and another does not."""
    hot: float = 0.0
    """Has one and the same record key."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A record to be produced, and what must become of it."""

    name: str
    value: bytes
    headers: Mapping[str, bytes]
    key: bytes
    poison: Refused | None = None
    fates: Mapping[str, Fires | Refused] = field(default_factory=dict)


def plan(rng: random.Random, mix: Mix) -> list[Planned]:
    """The records in the order in which they are sent."""
    planned: list[Planned] = []
    orders: list[Planned] = []
    kinds = {"poison": mix.poison, "repeated": mix.repeated, "ignored": mix.ignored, "visit": mix.visits}
    weights = [*kinds.values(), 1 - sum(kinds.values())]
    for number, kind in enumerate(rng.choices([*kinds, "order"], weights, k=mix.records)):
        key = HOT if rng.random() < mix.hot else f"key-{rng.randrange(64)}"
        match kind:
            case "poison":
                record = _poison(rng, number, key)
            case "ignored":
                record = _planned(number, "test.ignored", key, key, {})
            case "visit":
                visitor = key if key == HOT else f"visitor-{rng.randrange(VISITORS)}"
                record = _planned(number, "test.visit", visitor, key, {EACH_VISITOR: Fires(visitor)})
            case "repeated" if orders:
                record = rng.choice(orders)
            case _:
                record = _order(number, key, odd=rng.random() < mix.odd)
                orders.append(record)
        planned.append(record)
    return planned


def _order(number: int, key: str, *, odd: bool) -> Planned:
    fates: dict[str, Fires | Refused] = {EACH_ORDER: Fires(f"event-{number}")}
    if odd:
        fates[STUMBLES] = Refused("when_error")
    return _planned(number, "test.order", key, key, fates, odd=odd)


def _planned(
    number: int, kind: str, subject: str, key: str, fates: Mapping[str, Fires | Refused], **data: Any
) -> Planned:
    envelope = _envelope(number, type=kind, subject=subject, data={"number": number, **data})
    return Planned(f"event-{number} ({kind})", orjson.dumps(envelope), STRUCTURED, key.encode(), fates=fates)


def _poison(rng: random.Random, number: int, key: str) -> Planned:
    nameless = _envelope(number, type="test.order", subject=key)
    del nameless["source"]
    value, headers, reason = rng.choice(
        [
            (b"\xff\xfe" + rng.randbytes(40), {}, "not_an_envelope"),
            (orjson.dumps(nameless), STRUCTURED, "missing_attribute"),
            (b'{"specversion": "1.0", ', STRUCTURED, "malformed_json"),
        ]
    )
    return Planned(f"poison-{number} ({reason})", value, headers, key.encode(), poison=Refused(reason))


def _envelope(number: int, **attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "/tests/chaos",
        "time": "2026-01-01T00:00:00Z",
        **attributes,
    }
