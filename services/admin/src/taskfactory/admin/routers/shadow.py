"""`/v1/definitions/{name}/shadow`: what a shadow version would have done, beside what the active one did."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from taskfactory.admin.roles import VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Using
from taskfactory.registry import ShadowExample, ShadowReport

router = ApiRouter(prefix="/v1/definitions/{name}/shadow", tag="definitions")


class Example(BaseModel):
    """One record of the comparison."""

    comparison: str = Field(examples=["only_shadow"])
    topic: str
    partition: int
    offset: int
    event_source: str
    event_id: str
    event_type: str
    verdict: str = Field(description="The shadow version's.")
    active_version: int | None = Field(description="Null: no version was in force, or it reads other topics.")
    active_verdict: str
    dedupe_key: str | None = Field(description="The shadow version's, where it matched.")
    same_key: bool | None = Field(description="Whether the active version's key is the same; null: not both have one.")
    message: str | None = Field(description="What failed.")
    at: datetime

    @classmethod
    def of(cls, example: ShadowExample) -> Self:
        """From the registry's value."""
        return cls(**{name: getattr(example, name) for name in Example.model_fields})


class Comparison(BaseModel):
    """A shadow version beside the active one, as far as records were decided while it stood."""

    name: str
    version: int | None = Field(
        description="The shadow version, or the one that was it last; null: there was none, or nothing of it is kept."
    )
    both: int = Field(description="Records that both take.")
    only_active: int
    only_shadow: int
    errors: int = Field(description="Records at which one of the two failed.")
    other_key: int = Field(description="Of those that both take: with another dedupe key.")
    first: datetime | None = Field(description="When the first of these records was written down.")
    last: datetime | None
    full: bool = Field(description="No more records are written down: there are as many as are kept.")
    examples: list[Example] = Field(description="The newest of each kind.")

    @classmethod
    def of(cls, report: ShadowReport) -> Self:
        """From the registry's value."""
        fields = {name: getattr(report, name) for name in Comparison.model_fields}
        return cls(**{**fields, "examples": [Example.of(each) for each in report.examples]})


@router.get("", roles=VIEWER)
def compare(
    services: Using,
    name: str,
    since: Annotated[AwareDatetime | None, Query(description="Only records that were decided then or later.")] = None,
    examples: Annotated[int, Query(ge=0, le=50, description="Of each kind at most.")] = 5,
) -> Comparison:
    """Compare the shadow version with the active one."""
    return Comparison.of(services.definitions.shadow_report(name, since, examples=examples))
