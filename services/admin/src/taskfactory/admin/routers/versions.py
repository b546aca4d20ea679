"""`/v1/definitions/{name}/versions` and `/diff`: every version there ever was, and what differs."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from taskfactory.admin.definition_shapes import EXAMPLE_DOCUMENT, Change
from taskfactory.admin.pages import Page, Paging
from taskfactory.admin.roles import VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Using
from taskfactory.definitions import diff_documents
from taskfactory.registry import DefinitionVersion

router = ApiRouter(prefix="/v1/definitions/{name}", tag="definitions")

MAX_VERSION = 2**31 - 1
Number = Annotated[int | None, Query(ge=1, le=MAX_VERSION)]


class VersionSummary(BaseModel):
    """A version without its document."""

    version: int
    created_at: datetime
    created_by: str
    reason: str | None
    active: bool
    shadow: bool

    @classmethod
    def of(cls, version: DefinitionVersion) -> Self:
        """From the registry's row."""
        return cls(**{name: getattr(version, name) for name in VersionSummary.model_fields})


class VersionModel(VersionSummary):
    """A version."""

    document: dict[str, Any] = Field(examples=[EXAMPLE_DOCUMENT])


class Diff(BaseModel):
    """What differs between two versions."""

    model_config = ConfigDict(populate_by_name=True)

    from_version: int | None = Field(alias="from", description="Null: `to` is the first version; all of it is new.")
    to_version: int = Field(alias="to")
    changes: list[Change]


@router.get("/versions", roles=VIEWER)
def list_versions(services: Using, name: str, page: Paging) -> Page[VersionSummary]:
    """Versions, the newest first; also of a definition that was deleted."""
    rows = services.definitions.versions(name, below=page.after(int), limit=page.fetch)
    return page.page_of(rows, VersionSummary.of, lambda row: row.version)


@router.get("/versions/{version}", roles=VIEWER)
def get_version(services: Using, name: str, version: int) -> VersionModel:
    """One version with its document."""
    row = services.definitions.version_of(name, version)
    return VersionModel(**VersionSummary.of(row).model_dump(), document=dict(row.document))


@router.get("/diff", roles=VIEWER)
def diff(
    services: Using,
    name: str,
    from_version: Annotated[Number, Query(alias="from", description="Without it: the version before `to`.")] = None,
    to_version: Annotated[
        Number, Query(alias="to", description="Without it: the shadow version, or else the active one.")
    ] = None,
) -> Diff:
    """What differs between two versions, place by place."""
    row = services.definitions.get(name)
    to = to_version or row.shadow_version or row.version
    # A shadow version is looked at beside what is active, however many numbers lie between them.
    before = row.version if to == row.shadow_version != row.version else to - 1
    start = from_version or before or None
    after = services.definitions.version_of(name, to).document
    standing = services.definitions.version_of(name, start).document if start else {}
    changes = [Change.of(each) for each in diff_documents(standing, after)]
    return Diff(from_version=start, to_version=to, changes=changes)
