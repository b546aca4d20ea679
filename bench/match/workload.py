"""Definitions and events of an installation of a given size; the same seed gives the same workload.

The premise: an installation grows in two directions at once. With N definitions there are about sqrt(N) busy event
types, and each of them is told apart by about sqrt(N) definitions (316 types with 300 definitions each at 100,000). One
interest in 33 has an event type of its own: the long tail. Nobody writes a thousand definitions for one customer, so
what one event concerns stays small: three definitions take each event, and a few more come close.

- An **interest** is one occasion that somebody wants to hear of: an event type and the values of a customer, a bin, a
  network and so on. Three definitions wait for each interest, each by a condition drawn from `SHARES`. What is left
  over after the last three waits for a type that no event has.
- Four interests of one type share a **tenant** and differ in channel, marks and amount only: definitions that name the
  tenant and then a weak condition are the ones that come close (three of four refuse).
- Each event belongs to one interest, all of them equally likely: no cache stays warm by favourites.
- Events are CloudEvents in JSON, about 900 bytes, with a `traceparent` and an array of two items. Eight kinds of
  entities give eight shapes of `data`.

Definitions have one task with three templates, no `when` and the default dedupe key, so that the benchmark measures
matching and not CEL.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

SEED: Final = 20_261_103
PER_INTEREST: Final = 3
TENANT_SIZE: Final = 4
TAIL: Final = 33
"""Of so many interests one has an event type of its own."""

SHARES: Final = {
    "exact": 16,
    "exact in an array": 8,
    "two exact": 16,
    "prefix": 14,
    "suffix": 6,
    "numeric range": 5,
    "tenant and numeric range": 5,
    "tenant and anything-but": 8,
    "tenant and exists": 6,
    "wildcard": 6,
    "equals-ignore-case": 4,
    "cidr": 3,
    "$or": 3,
}
"""Percent of the definitions of busy types, by condition beside the type. Those of the tail name only their type."""

_ENTITIES: Final = ("order", "shipment", "payment", "invoice", "claim", "account", "device", "document")
_VERBS: Final = ("created", "changed", "approved", "rejected", "closed")
_REGIONS: Final = ("EU", "US", "APAC", "LATAM")
_CHANNELS: Final = ("web", "app", "store", "partner")
_MARKS: Final = ("gift", "coupon", "preorder", "subscription")
_STATES: Final = ("open", "paid", "held", "shipped")
_FILLER: Final = (
    "Please ring twice and leave it with the neighbours on the second floor if nobody opens; the yard is closed on "
    "Sundays and from noon on Saturdays."
)


@dataclass(frozen=True, slots=True)
class Interest:
    """An occasion that definitions wait for."""

    number: int
    """Within the installation."""
    type: str
    entity: str
    """Where `data` keeps its fields."""
    place: int
    """Within its type."""

    @property
    def tenant(self) -> str:
        """Shared by four interests of the type."""
        return f"tenant-{self.place // TENANT_SIZE:04}"

    @property
    def slot(self) -> int:
        """Which of the tenant's four it is."""
        return self.place % TENANT_SIZE

    @property
    def customer(self) -> str:
        """The customer's id."""
        return f"c-{self.number:06}"

    @property
    def network(self) -> str:
        """Three bytes of an IPv4 network."""
        return f"10.{self.number // 250}.{self.number % 250}"


@dataclass(frozen=True)
class Workload:
    """What `generate` makes."""

    documents: list[str]
    """Definitions as the registry stores them, JSON text."""
    events: list[bytes]
    """Values of Kafka records."""
    expected: list[frozenset[str]]
    """Names of the definitions that take each event."""
    conditions: dict[str, int]
    """How many definitions have which condition."""
    types: int
    """How many event types the definitions name."""


def generate(size: int, events: int, seed: int = SEED) -> Workload:
    """Make an installation of `size` definitions, and events for it."""
    random = Random(f"{seed}/{size}")  # noqa: S311  a reproducible workload is wanted, not a secret
    interests = _interests(size)
    documents: list[str] = []
    conditions: dict[str, int] = {}
    waiting: dict[int, list[str]] = {}
    for interest, name, condition in _assignments(size, interests, random):
        documents.append(json.dumps(_document(name, interest, condition)))
        conditions[condition] = conditions.get(condition, 0) + 1
        waiting.setdefault(interest.number, []).append(name)
    sent = [random.choice(interests) for _ in range(events)]
    return Workload(
        documents,
        [json.dumps(_event(serial, interest, random)).encode() for serial, interest in enumerate(sent)],
        [frozenset(waiting[interest.number]) for interest in sent],
        conditions,
        len({interest.type for interest in interests}),
    )


def _interests(size: int) -> list[Interest]:
    busy = max(1, round(size**0.5))
    interests: list[Interest] = []
    places = [0] * busy
    for number in range(max(1, size // PER_INTEREST)):
        if number % TAIL == TAIL - 1:
            interests.append(Interest(number, f"com.example.tail.{number}.created", "order", 0))
            continue
        kind = number % busy
        entity = _ENTITIES[kind % len(_ENTITIES)]
        verb = _VERBS[kind // len(_ENTITIES) % len(_VERBS)]
        interests.append(Interest(number, f"com.example.{entity}.v{kind}.{verb}", entity, places[kind]))
        places[kind] += 1
    return interests


def _assignments(size: int, interests: list[Interest], random: Random) -> Iterator[tuple[Interest, str, str]]:
    """Each definition's interest, name and condition, in an order that has nothing to do with types."""
    places = [interest for interest in interests for _ in range(PER_INTEREST)][:size]
    left_over = Interest(len(interests), "com.example.never.sent", "order", 0)
    places += [left_over] * (size - len(places))
    numbered = list(enumerate(places))
    random.shuffle(numbered)
    kinds, weights = list(SHARES), list(SHARES.values())
    for position, interest in numbered:
        busy = ".tail." not in interest.type
        yield interest, f"definition-{position}", random.choices(kinds, weights)[0] if busy else "type only"


def _document(name: str, interest: Interest, condition: str) -> dict[str, Any]:
    fields = _CONDITIONS[condition](interest) if condition in _CONDITIONS else {}
    match: dict[str, Any] = {"type": [interest.type]}
    if fields:
        match["data"] = {interest.entity: fields}
    return {
        "apiVersion": "taskfactory/v1",
        "kind": "ActivityDefinition",
        "name": name,
        "description": f"What {interest.customer} wants to be done",
        "enabled": True,
        "trigger": {"type": "event", "match": match},
        "dedupe": {"key": "event_id", "window": "forever"},
        "context": [],
        "tasks": [
            {
                "name": "handle",
                "type": "activity",
                "handler": f"handle_{interest.entity}",
                "queue": interest.entity,
                "params": {
                    "id": f"${{event.data.{interest.entity}.number}}",
                    "customer": f"${{event.data.{interest.entity}.customer.id}}",
                    "note": f"from ${{event.source}} for {interest.tenant}",
                },
                "timeout": "5m",
                "schedule_to_close": "24h",
                "retry": {"max_attempts": 5, "initial_interval": "1s", "backoff": 2.0, "max_interval": "1m"},
            }
        ],
        "outcomes": {"of": ["task", "run"]},
    }


def _amounts(interest: Interest) -> dict[str, Any]:
    low = interest.slot * 250
    return {"tenant": [interest.tenant], "amount": [{"numeric": [">=", low, "<", low + 250]}]}


def _either(interest: Interest) -> dict[str, Any]:
    email = {"email": [f"info.{interest.number}@customer.example"]}
    return {"customer": {"$or": [{"id": [interest.customer]}, email]}}


_CONDITIONS: Final[dict[str, Callable[[Interest], dict[str, Any]]]] = {
    "exact": lambda i: {"customer": {"id": [i.customer]}},
    "exact in an array": lambda i: {"items": {"sku": [f"sku-{i.number}"]}},
    "two exact": lambda i: {"tenant": [i.tenant], "channel": [_CHANNELS[i.slot]]},
    "prefix": lambda i: {"number": [{"prefix": f"{_REGIONS[i.slot]}-{i.number}-"}]},
    "suffix": lambda i: {"customer": {"host": [{"suffix": f".h{i.number}.example"}]}},
    "numeric range": lambda i: {"bin": [{"numeric": [">=", i.place * 100, "<", i.place * 100 + 100]}]},
    "tenant and numeric range": _amounts,
    "tenant and anything-but": lambda i: {
        "tenant": [i.tenant],
        "channel": [{"anything-but": [channel for channel in _CHANNELS if channel != _CHANNELS[i.slot]]}],
    },
    "tenant and exists": lambda i: {"tenant": [i.tenant], "marks": {_MARKS[i.slot]: [{"exists": True}]}},
    "wildcard": lambda i: {"path": [{"wildcard": f"/in/{i.number}/*/*.csv"}]},
    "equals-ignore-case": lambda i: {"customer": {"name": [{"equals-ignore-case": f"Customer No {i.number}"}]}},
    "cidr": lambda i: {"address": [{"cidr": f"{i.network}.0/24"}]},
    "$or": _either,
}


def _event(serial: int, interest: Interest, random: Random) -> dict[str, Any]:
    number = interest.number
    return {
        "specversion": "1.0",
        "id": f"{random.getrandbits(128):032x}",
        "source": f"/services/{interest.entity}s",
        "type": interest.type,
        "subject": f"{interest.entity}-{number}-{serial}",
        "time": f"2026-11-{random.randint(1, 30):02}T{random.randint(0, 23):02}:12:44.{serial % 1000:03}Z",
        "datacontenttype": "application/json",
        "traceparent": f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01",
        "data": {
            interest.entity: {
                "number": f"{_REGIONS[interest.slot]}-{number}-{serial}",
                "tenant": interest.tenant,
                "channel": _CHANNELS[interest.slot],
                "state": random.choice(_STATES),
                "amount": interest.slot * 250 + random.randint(0, 24_999) / 100,
                "currency": "EUR",
                "bin": interest.place * 100 + random.randint(0, 99),
                "address": f"{interest.network}.{random.randint(1, 254)}",
                "path": f"/in/{number}/2026-11/{serial}.csv",
                "customer": {
                    "id": interest.customer,
                    "name": f"CUSTOMER No {number}",
                    "host": f"mail{random.randint(1, 9)}.h{number}.example",
                    "vip": random.random() < 0.1,  # noqa: PLR2004  a tenth
                    "since": 2_000 + number % 26,
                },
                "items": [
                    {"sku": f"sku-{number}", "quantity": random.randint(1, 9), "price": 9.5},
                    {"sku": f"other-{random.randint(1, 999)}", "quantity": 1, "price": random.randint(1, 99)},
                ],
                "marks": {_MARKS[interest.slot]: True},
                "note": _FILLER[: random.randint(60, 130)],
            }
        },
    }
