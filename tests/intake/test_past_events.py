"""Events of past runs, read from real topics again: by the topic's mapping, or with the reason why there is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from taskfactory.definitions import DefinitionSet, TopicMapping, parse_mapping
from taskfactory.intake import EventReader, InForce, PastEvents, open_history
from taskfactory.intake.past_inputs import InputGone
from taskfactory.registry import PastRun
from tests.conftest import RunningStack
from tests.ingress.fakes import run_input
from tests.intake.test_past_inputs import past


@contextmanager
def past_events(stack: RunningStack, *mappings: TopicMapping) -> Iterator[PastEvents]:
    in_force = InForce(1, DefinitionSet(()), mappings={mapping.topic: mapping for mapping in mappings})
    with open_history({"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers}) as history:
        yield PastEvents(history, EventReader(1_000_000, None), in_force)


def filled(stack: RunningStack, *values: bytes | None) -> str:
    topic = stack.topic("events")
    producer = Producer({"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0
    return topic


def run_at(topic: str, offset: int | None, partition: int | None = 0) -> PastRun:
    run = past(run_input())
    return replace(
        run, trigger=run.trigger.model_copy(update={"topic": topic, "partition": partition, "offset": offset})
    )


def rows(topic: str) -> TopicMapping:
    return parse_mapping(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "TopicMapping",
            "topic": topic,
            "skip": "value == null",
            "id": "string(value.id)",
            "source": "'/shop'",
            "type": "'order'",
        }
    )


async def test_the_event_of_a_mapped_topic_is_made_by_its_mapping_again(stack: RunningStack) -> None:
    topic = filled(stack, b'{"id": 1}', b'{"id": 2}', None)
    with past_events(stack, rows(topic)) as events:
        read = await events.event_of(run_at(topic, 1))
        assert (read.record.offset, read.envelope.id, read.event["source"]) == (1, "2", "/shop")
        with pytest.raises(InputGone, match="is no event by its topic's mapping any more"):
            await events.event_of(run_at(topic, 2))


@pytest.mark.parametrize(
    ("offset", "partition", "said"),
    [
        (0, 0, "the record at .*/0/0 can't be read any more: "),
        (7, 0, "there is no record at .*/0/7 any more"),
        (0, 3, "has no partition 3"),
        (None, 0, "its event was not read from a topic"),
    ],
)
async def test_an_event_that_is_not_there_is_gone_for_a_reason(
    stack: RunningStack, offset: int | None, partition: int, said: str
) -> None:
    topic = filled(stack, b"not json")
    with past_events(stack) as events, pytest.raises(InputGone, match=said):
        await events.event_of(run_at(topic, offset, partition))
