"""Definitions and events of an installation of a given size; the same seed gives the same workload.

The premise: an installation grows in two directions at once. Ten times the definitions are five times the busy event
types (2, 50, 250 at 100, 10,000 and 100,000 definitions), each with twice as many definitions (about 50, 200, 400). One
interest in 33 has an event type of its own: the long tail. Nobody writes a thousand definitions for one customer, so
what one event concerns stays the same at every size: three definitions take it, about as many more come close, and the
definitions of its type ask about the same fields. What is left to measure is the number of definitions.

- An **interest** is one occasion that somebody wants to hear of: an event type and the values of a customer, a bin, a
  network and so on. Three definitions wait for each interest, each by a condition out of `SHARES`. What is left over
  after the last three waits for a type that no event has.
- The definitions of every busy type have the conditions of `SHARES` in these shares, as nearly as whole numbers can.
- Four interests of one type share a **tenant** and differ in channel, marks and amount only: definitions that name the
  tenant and then a weak condition are the **near misses** (three of four refuse). A type has whole tenants.
- Numbers are written with as many digits at every size. Texts have three different lengths (by region), so that
  prefixes and suffixes have too.
- Each event belongs to one interest, all of them equally likely: no cache stays warm by favourites.
- Events are CloudEvents in JSON, about 900 bytes, with a `traceparent` and an array of two items. Eight kinds of
  entities give eight shapes of `data`.

Definitions have one task with three templates, no `when` and the default dedupe key, so that the benchmark measures
matching and not CEL.
"""

import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
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

BY_TENANT: Final = frozenset({"two exact", "tenant and numeric range", "tenant and anything-but", "tenant and exists"})
"""Conditions that name the tenant, and then something weak."""

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
    def digits(self) -> str:
        """The number, in as many digits at every size: how long ids are says nothing about how many there are."""
        return f"{self.number:05}"

    @property
    def region(self) -> str:
        """Of two, four or five letters."""
        return _REGIONS[self.slot]

    @property
    def customer(self) -> str:
        """The customer's id."""
        return f"c-{self.digits}"

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
    near_misses: list[int]
    """How many definitions name each event's type and tenant, and refuse it for another reason."""
    conditions: dict[str, int]
    """How many definitions have which condition."""
    types: int
    """How many event types the definitions name."""
    fields: list[int]
    """How many different fields, beside the type, the definitions of each event's type ask about."""


def generate(size: int, events: int, seed: int = SEED) -> Workload:
    """Make an installation of `size` definitions, and events for it."""
    random = Random(f"{seed}/{size}")  # noqa: S311  a reproducible workload is wanted, not a secret
    interests = _interests(size)
    documents: list[str] = []
    conditions: dict[str, int] = {}
    waiting: dict[int, list[str]] = {}
    close: Counter[tuple[str, str]] = Counter()
    own: Counter[int] = Counter()
    fields: dict[str, set[str]] = {}
    for interest, name, condition in _assignments(size, interests, random):
        document = _document(name, interest, condition)
        documents.append(json.dumps(document))
        fields.setdefault(interest.type, set()).update(_fields(document["trigger"]["match"].get("data", {})))
        conditions[condition] = conditions.get(condition, 0) + 1
        waiting.setdefault(interest.number, []).append(name)
        if condition in BY_TENANT:
            close[interest.type, interest.tenant] += 1
            own[interest.number] += 1
    sent = [random.choice(interests) for _ in range(events)]
    return Workload(
        documents,
        [json.dumps(_event(serial, interest, random)).encode() for serial, interest in enumerate(sent)],
        [frozenset(waiting[interest.number]) for interest in sent],
        [close[interest.type, interest.tenant] - own[interest.number] for interest in sent],
        conditions,
        len({interest.type for interest in interests}),
        [len(fields[interest.type]) for interest in sent],
    )


def _busy_types(size: int) -> int:
    """2 at 100 definitions, and five times as many at ten times as many definitions."""
    return max(1, round(2 * 5 ** math.log10(size / 100)))


def _interests(size: int) -> list[Interest]:
    busy = _busy_types(size)
    interests: list[Interest] = []
    places = [0] * busy
    for number in range(max(1, size // PER_INTEREST)):
        if number % TAIL == TAIL - 1:
            interests.append(Interest(number, f"com.example.tail.{number}.created", "order", 0))
            continue
        dealt = number - number // TAIL  # without the tail
        kind = dealt // TENANT_SIZE % busy
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
    by_type: dict[str, int] = {}
    for interest in places:
        by_type[interest.type] = by_type.get(interest.type, 0) + 1
    decks = {kind: _conditions(count, random) for kind, count in by_type.items() if kind.split(".")[2] != "tail"}
    for position, interest in numbered:
        condition = decks[interest.type].pop() if interest.type in decks else "type only"
        yield interest, f"definition-{position}", condition


def _conditions(count: int, random: Random) -> list[str]:
    """So many conditions in the shares of `SHARES`, each rounded up or down, shuffled."""
    kinds, ends = list(SHARES), list(accumulate(SHARES.values()))
    first = random.random()
    conditions = [kinds[bisect_right(ends, 100 * (first + position) / count)] for position in range(count)]
    random.shuffle(conditions)
    return conditions


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


def _fields(pattern: Any, path: str = "") -> Iterator[str]:
    """The paths of the fields that a pattern asks about."""
    for name, value in pattern.items():
        if name == "$or":
            for alternative in value:
                yield from _fields(alternative, path)
        elif isinstance(value, dict):
            yield from _fields(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}"


def _amounts(interest: Interest) -> dict[str, Any]:
    low = interest.slot * 250
    return {"tenant": [interest.tenant], "amount": [{"numeric": [">=", low, "<", low + 250]}]}


def _either(interest: Interest) -> dict[str, Any]:
    email = {"email": [f"info.{interest.digits}@customer.example"]}
    return {"customer": {"$or": [{"id": [interest.customer]}, email]}}


_CONDITIONS: Final[dict[str, Callable[[Interest], dict[str, Any]]]] = {
    "exact": lambda i: {"customer": {"id": [i.customer]}},
    "exact in an array": lambda i: {"items": {"sku": [f"sku-{i.digits}"]}},
    "two exact": lambda i: {"tenant": [i.tenant], "channel": [_CHANNELS[i.slot]]},
    "prefix": lambda i: {"number": [{"prefix": f"{i.region}-{i.digits}-"}]},
    "suffix": lambda i: {"customer": {"host": [{"suffix": f".h{i.digits}.{i.region}.example"}]}},
    "numeric range": lambda i: {"bin": [{"numeric": [">=", i.place * 100, "<", i.place * 100 + 100]}]},
    "tenant and numeric range": _amounts,
    "tenant and anything-but": lambda i: {
        "tenant": [i.tenant],
        "channel": [{"anything-but": [channel for channel in _CHANNELS if channel != _CHANNELS[i.slot]]}],
    },
    "tenant and exists": lambda i: {"tenant": [i.tenant], "marks": {_MARKS[i.slot]: [{"exists": True}]}},
    "wildcard": lambda i: {"path": [{"wildcard": f"/{i.region}/{i.digits}/*/*.csv"}]},
    "equals-ignore-case": lambda i: {"customer": {"name": [{"equals-ignore-case": f"Customer No {i.digits}"}]}},
    "cidr": lambda i: {"address": [{"cidr": f"{i.network}.0/24"}]},
    "$or": _either,
}


def _event(serial: int, interest: Interest, random: Random) -> dict[str, Any]:
    digits = interest.digits
    return {
        "specversion": "1.0",
        "id": f"{random.getrandbits(128):032x}",
        "source": f"/services/{interest.entity}s",
        "type": interest.type,
        "subject": f"{interest.entity}-{digits}-{serial}",
        "time": f"2026-11-{random.randint(1, 30):02}T{random.randint(0, 23):02}:12:44.{serial % 1000:03}Z",
        "datacontenttype": "application/json",
        "traceparent": f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01",
        "data": {
            interest.entity: {
                "number": f"{interest.region}-{digits}-{serial}",
                "tenant": interest.tenant,
                "channel": _CHANNELS[interest.slot],
                "state": random.choice(_STATES),
                "amount": interest.slot * 250 + random.randint(0, 24_999) / 100,
                "currency": "EUR",
                "bin": interest.place * 100 + random.randint(0, 99),
                "address": f"{interest.network}.{random.randint(1, 254)}",
                "path": f"/{interest.region}/{digits}/2026-11/{serial}.csv",
                "customer": {
                    "id": interest.customer,
                    "name": f"CUSTOMER No {digits}",
                    "host": f"mail{random.randint(1, 9)}.h{digits}.{interest.region}.example",
                    "vip": random.random() < 0.1,  # noqa: PLR2004  a tenth
                    "since": 2_000 + interest.number % 26,
                },
                "items": [
                    {"sku": f"sku-{digits}", "quantity": random.randint(1, 9), "price": 9.5},
                    {"sku": f"other-{random.randint(1, 999)}", "quantity": 1, "price": random.randint(1, 99)},
                ],
                "marks": {_MARKS[interest.slot]: True},
                "note": _FILLER[: random.randint(60, 130)],
            }
        },
    }
