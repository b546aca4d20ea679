"""How definitions look in requests and answers; several routers speak of them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from taskfactory.definitions import DocumentChange
from taskfactory.registry import DefinitionRow, DefinitionState

EXAMPLE_DOCUMENT = {
    "apiVersion": "taskfactory/v1",
    "kind": "ActivityDefinition",
    "name": "low-stock",
    "trigger": {
        "type": "event",
        "match": {"type": ["com.shop.stock.counted"], "data": {"on_hand": [{"numeric": [">=", 0, "<", 5]}]}},
    },
    "tasks": [
        {
            "name": "reorder",
            "type": "activity",
            "handler": "reorder",
            "queue": "warehouse",
            "params": {
                "sku": "${event.data.sku}",
                "count_id": "${event.data.count_id}",
                "quantity": "${50 - event.data.on_hand}",
            },
        }
    ],
}

Reason = Annotated[str | None, Field(max_length=1000, description="Why, in your own words; kept in the audit trail.")]


class Because(BaseModel):
    """Why something is done."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field(None, examples=["the warehouse is closed"])


class DefinitionSummary(BaseModel):
    """A definition without its document."""

    name: str = Field(examples=["low-stock"])
    id: str = Field(description="A UUID that stays through all versions.")
    version: int = Field(description="The active one.")
    etag: str | None = Field(
        description="For `If-Match`, in quotes; changes with everything that happens. Null: deleted."
    )
    state: DefinitionState
    enabled: bool
    paused: bool
    shadow_version: int | None = Field(description="Asked beside the active one, and starting nothing.")
    trigger_type: str
    dedupe: str = Field(description="`event_id`, `subject`, or `expression: …`.")
    description: str | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    reason: str | None = Field(description="Of the latest change.")

    @classmethod
    def of(cls, row: DefinitionRow) -> Self:
        """From the registry's row."""
        return cls(**_fields(row))


class DefinitionModel(DefinitionSummary):
    """A definition."""

    document: dict[str, Any] = Field(description="The active version's.", examples=[EXAMPLE_DOCUMENT])

    @classmethod
    def with_document(cls, row: DefinitionRow, document: dict[str, Any]) -> Self:
        """From the registry's row and the version's document."""
        return cls(**_fields(row), document=document)


class Change(BaseModel):
    """One place that differs between two documents."""

    path: str = Field(examples=["tasks[order].params.sku"])
    kind: Literal["added", "removed", "changed"]
    before: Any
    after: Any

    @classmethod
    def of(cls, change: DocumentChange) -> Self:
        """From the definitions library's value."""
        return cls(path=change.path, kind=change.kind, before=change.before, after=change.after)


def _fields(row: DefinitionRow) -> dict[str, Any]:
    shared = DefinitionSummary.model_fields.keys() - {"dedupe"}
    return {name: getattr(row, name) for name in shared} | {"dedupe": row.dedupe_key_strategy}
