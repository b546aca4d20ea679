"""The records that the demo sends: the shop's events in three wire formats, copies of them, and broken records.

Producers retry, so exact copies come right behind the original and long after it; customers click twice, so there are
new events about a matter that is settled; and some records are no events at all. Pure and seeded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import orjson

from examples.shop.events import SCENES, Shop, ShopEvent
from examples.shop.expectation import Consequence, Expectation, ExpectedDeadLetter
from taskfactory.envelope import Format, Record, encode

MIN_RECORDS: Final = 30
"""So that everything happens at least once."""
FORMATS: Final[Sequence[Format]] = ("structured", "structured", "structured", "binary", "avro")

NEAR_COPY: Final = "copy right behind the original"
FAR_COPY: Final = "copy long after the original"
SECOND_CLICK: Final = "second click on cancel"
NOT_JSON: Final = "not JSON"
NO_SOURCE: Final = "no source"
UNKNOWN_AVRO: Final = "Avro with an unknown schema"

WEIGHTS: Final = {
    **{scene: weight for scene, (weight, _) in SCENES.items()},
    NOT_JSON: 1,
    NO_SOURCE: 1,
    UNKNOWN_AVRO: 1,
    SECOND_CLICK: 4,
    NEAR_COPY: 5,
    FAR_COPY: 5,
}
"""Share of each kind, in a hundred records."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A record to send, and what has to come of it."""

    record: Record
    consequence: Consequence


@dataclass(frozen=True)
class Traffic:
    """Everything to send, in order."""

    stream: tuple[Sent, ...]

    @property
    def expectation(self) -> Expectation:
        """What has to come of it all."""
        return Expectation([sent.consequence for sent in self.stream])


def traffic(count: int, seed: int, token: str) -> Traffic:
    """Make `count` records; the same arguments always make the same ones.

    Args:
        count: number of records, copies and broken ones included.
        seed: decides what happens, and when.
        token: part of every id; a new one makes all events new ones.

    Raises:
        ValueError: `count` is below `MIN_RECORDS`.
    """
    if count < MIN_RECORDS:
        raise ValueError(
            f"{count} records are too few for everything to happen once; allowed are {MIN_RECORDS} or more"
        )
    random = Random(seed)  # noqa: S311 -- a reproducible stream is wanted, not a secret
    numbers = shares(count)
    shop = Shop(random, token)
    scenes = [scene for scene in SCENES for _ in range(numbers[scene])]
    random.shuffle(scenes)
    events = [SCENES[scene][1](shop) for scene in scenes]
    # Everything has a place in time; what refers to an event comes after it.
    places = [(float(place), _sent(event, random)) for place, event in enumerate(events)]
    places += [
        (random.uniform(0, len(events)), _broken(kind, token, number))
        for kind in (NOT_JSON, NO_SOURCE, UNKNOWN_AVRO)
        for number in range(numbers[kind])
    ]
    places += _second_clicks(events, numbers[SECOND_CLICK], shop, random)
    places += _copies(places, numbers[NEAR_COPY], numbers[FAR_COPY], random)
    return Traffic(tuple(sent for _, sent in sorted(places, key=lambda item: item[0])))


def shares(count: int) -> dict[str, int]:
    """How many records of each kind make `count` of them: at least one of each, in proportion otherwise."""
    numbers = {kind: max(1, count * weight // 100) for kind, weight in WEIGHTS.items()}
    numbers["order"] += count - sum(numbers.values())
    return numbers


def _sent(event: ShopEvent, random: Random) -> Sent:
    return Sent(encode(event.envelope, random.choice(FORMATS)), event.consequence)


def _second_clicks(events: Sequence[ShopEvent], number: int, shop: Shop, random: Random) -> list[tuple[float, Sent]]:
    cancelled = [place for place, event in enumerate(events) if event.envelope.type == "com.shop.order.cancelled"]
    firsts = random.choices(cancelled, k=number)
    return [
        (random.uniform(first, len(events)), _sent(shop.cancellation_again(events[first]), random)) for first in firsts
    ]


def _copies(places: Sequence[tuple[float, Sent]], near: int, far: int, random: Random) -> list[tuple[float, Sent]]:
    valid = [item for item in places if item[1].consequence.identity is not None]
    end = max(place for place, _ in valid)
    early = [item for item in valid if item[0] <= end / 2]
    return [
        *((place, sent) for place, sent in random.sample(valid, near)),
        *((random.uniform(place + end / 2, end), sent) for place, sent in random.sample(early, far)),
    ]


def _broken(kind: str, token: str, number: int) -> Sent:
    name = f"broken-{token}-{number}"
    key = name.encode()
    event = {"specversion": "1.0", "id": name, "source": "/shop", "type": "com.shop.order.placed"}
    structured = [("content-type", b"application/cloudevents+json")]
    match kind:
        case "not JSON":
            record, reason = Record(orjson.dumps(event)[:-1], structured, key), "malformed_json"
        case "no source":
            del event["source"]
            record, reason = Record(orjson.dumps(event), structured, key), "missing_attribute"
        case _:
            # Avro single-object encoding: a marker, then the schema's fingerprint; nobody knows this one.
            record, reason = Record(b"\xc3\x01" + b"\x07" * 8 + key, [], key), "unknown_schema"
    return Sent(record, Consequence(None, dead_letter=ExpectedDeadLetter(reason)))
