"""`TopicMapping`: how the records of a topic without envelopes become events.

Nothing is evaluated here: that is `mapping`. What needs expressions compiled is checked in `checks`.
"""

from typing import Any, Literal

from pydantic import Field

from taskfactory.definitions.strict_model import StrictModel
from taskfactory.definitions.texts import Cel, Topic


class TopicMapping(StrictModel):
    """What to make of the records of a topic that carries no envelopes.

    Expressions see `value`, `key`, `headers`, `topic`, `partition`, `offset` and `timestamp`.
    """

    api_version: Literal["taskfactory/v1"] = Field(alias="apiVersion")
    """Version of this format."""
    kind: Literal["TopicMapping"]
    """Kind of document."""
    topic: Topic
    """The Kafka topic. It has one mapping at most."""
    description: str | None = Field(default=None, max_length=10_000)
    """For readers."""
    format: Literal["json", "avro"] | None = None
    """How values are written: `json`, or `avro` in Confluent's wire format. Detected for every record when left out."""
    skip: Cel | None = None
    """CEL that gives true for records that are no events, such as tombstones; it is asked before everything else."""
    id: Cel
    """CEL for the event's `id`, unique together with `source`: the same for a record that is sent twice."""
    source: Cel
    """CEL for the event's `source`."""
    type: Cel
    """CEL for the event's `type`."""
    subject: Cel | None = None
    """CEL for the event's `subject`; null leaves it out."""
    time: Cel | None = None
    """CEL for the event's `time`: RFC 3339 text, a CEL timestamp, or milliseconds since 1970; null leaves it out."""
    data: Cel = "value"
    """CEL for the event's `data`."""

    def to_dict(self) -> dict[str, Any]:
        """The canonical JSON form: defaults written out, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True)
