"""Definition files as requests bring them: read, checked together, with every error at its place."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from taskfactory.definitions import (
    ActivityDefinition,
    DefinitionError,
    DocumentLimits,
    Documents,
    InvalidDefinitions,
    TopicMapping,
    load_documents,
)

EXAMPLE_TEXT = """\
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: low-stock
trigger:
  type: event
  match:
    type: [com.shop.stock.counted]
    data: {on_hand: [{numeric: [">=", 0, "<", 5]}]}
tasks:
  - name: reorder
    type: activity
    handler: reorder
    queue: warehouse
    params:
      sku: ${event.data.sku}
      count_id: ${event.data.count_id}
      quantity: ${50 - event.data.on_hand}
"""


class File(BaseModel):
    """One file."""

    model_config = ConfigDict(extra="forbid")

    origin: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="Its name, for error messages.", examples=["definitions/low-stock.yaml"]
    )
    text: str = Field(description="YAML or JSON; several documents are fine.", examples=[EXAMPLE_TEXT])


def read_files(files: Sequence[File], limits: DocumentLimits) -> Documents:
    """The documents of all files, in their order.

    Raises:
        InvalidDefinitions: with every error of every file; also for a name or topic that occurs in two of them.
    """
    return _read(tuple((file.origin, file.text) for file in files), limits)


# An apply brings the files of its plan once more, right after it; reading them costs more than everything else of it.
@lru_cache(maxsize=1)
def _read(files: tuple[tuple[str, str], ...], limits: DocumentLimits) -> Documents:
    definitions: list[ActivityDefinition] = []
    mappings: list[TopicMapping] = []
    errors: list[DefinitionError] = []
    places: dict[tuple[str, str], str] = {}
    for origin, text in files:
        try:
            loaded = load_documents(text, origin, limits)
        except InvalidDefinitions as invalid:
            errors.extend(invalid.errors)
            continue
        named = [*(("name", each.name) for each in loaded.definitions), *(("topic", m.topic) for m in loaded.mappings)]
        for field, name in named:
            first = places.setdefault((field, name), origin)
            if first != origin:
                message = f"found {name!r}, which {first} has too; each {field} stands for one document"
                errors.append(DefinitionError(origin, None, None, field, message))
        definitions.extend(loaded.definitions)
        mappings.extend(loaded.mappings)
        if (count := len(definitions) + len(mappings)) > limits.documents:
            message = f"found {count} documents up to here; allowed are at most {limits.documents} at once"
            message += " (TASKFACTORY_MAX_DOCUMENTS)"
            raise InvalidDefinitions((*errors, DefinitionError(origin, None, None, "", message)))
    if errors:
        raise InvalidDefinitions(tuple(errors))
    return Documents(tuple(definitions), tuple(mappings))
