"""`/v1/validate` and `/v1/apply`: files of definitions and topic mappings, all of them or none."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from taskfactory.admin.calling import Caller, RequestId
from taskfactory.admin.definition_shapes import Change, Reason
from taskfactory.admin.documents import File, read_files
from taskfactory.admin.problems import Problem
from taskfactory.admin.roles import AUTHOR, VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Services, Using
from taskfactory.definitions import Documents, InvalidDefinitions
from taskfactory.registry import Action, Applied

router = ApiRouter(prefix="/v1", tag="apply")

Kind = Literal["ActivityDefinition", "TopicMapping"]
Verb = Literal["create", "update", "unchanged", "delete", "revive", "shadow"]
VERBS: Final[dict[Action, Verb]] = {
    "created": "create",
    "updated": "update",
    "unchanged": "unchanged",
    "deleted": "delete",
    "revived": "revive",
    "shadowed": "shadow",
}
NAMED: Final = 10
"""Names in a sentence; of more, only how many."""

Files = Annotated[list[File], Field(min_length=1, max_length=10_000)]


class ToValidate(BaseModel):
    """What is to be checked."""

    model_config = ConfigDict(extra="forbid")

    files: Files


class FileError(BaseModel):
    """One thing that is wrong with a file."""

    origin: str
    path: str = Field(description="As `tasks[0].retry`; empty for the document itself.")
    message: str
    line: int | None
    column: int | None


class Named(BaseModel):
    """A document that can be used."""

    kind: Kind
    name: str = Field(description="A mapping's is its topic.")


class Validation(BaseModel):
    """What came of checking files."""

    valid: bool
    errors: list[FileError]
    documents: list[Named] = Field(description="Of all files together; empty unless all are valid.")


class Prune(BaseModel):
    """Deletes what no file names any more."""

    model_config = ConfigDict(extra="forbid")

    kind_names_not_listed: Literal[True] = Field(
        default=True,
        description="Definitions and topic mappings that no file names are deleted; says that this is meant.",
    )
    max: int = Field(ge=0, description="If more would be deleted, nothing is applied; a dry run shows them all.")


class ToApply(BaseModel):
    """What is to be applied, and how."""

    model_config = ConfigDict(extra="forbid")

    files: Files
    dry_run: bool = Field(default=False, description="Say what would be done, and write nothing.")
    shadow: bool = Field(default=False, description="Definitions become shadow versions; mappings have none.")
    reason: Reason = None
    expected: dict[str, str | None] | None = Field(
        None,
        description="By definition's name: the ETag that it must have (without quotes), or null if there must be none. "
        "As a dry run told them; one that differs, and nothing is applied (412). With `prune`, so does a definition "
        "that would be deleted and is not among them.",
        examples=[{"low-stock": "3-17"}],
    )
    prune: Prune | None = None


class ItemModel(BaseModel):
    """One document's fate."""

    kind: Kind
    name: str
    action: Verb
    version: int
    etag: str | None = Field(description="A definition's, as it stands now; null when there is none.")
    changes: list[Change] = Field(description="Against the version that was active.")

    @classmethod
    def of(cls, applied: Applied) -> Self:
        """From the registry's value."""
        return cls(
            kind=applied.kind,
            name=applied.name,
            action=VERBS[applied.action],
            version=applied.version,
            etag=applied.etag,
            changes=[Change.of(each) for each in applied.changes],
        )


class AppliedFiles(BaseModel):
    """What was done, or would be."""

    items: list[ItemModel] = Field(description="In the order of the files; what is deleted comes last.")
    applied: bool = Field(description="False for a dry run.")


@router.post("/validate", roles=VIEWER)
def validate(services: Using, wanted: ToValidate) -> Validation:
    """Check files without a look at what is registered."""
    try:
        documents = read_files(wanted.files, services.settings.document_limits)
    except InvalidDefinitions as invalid:
        errors = [
            FileError(origin=each.origin, path=each.path, message=each.message, line=each.line, column=each.column)
            for each in invalid.errors
        ]
        return Validation(valid=False, errors=errors, documents=[])
    named = [Named(kind="ActivityDefinition", name=each.name) for each in documents.definitions]
    named += [Named(kind="TopicMapping", name=each.topic) for each in documents.mappings]
    return Validation(valid=True, errors=[], documents=named)


@router.post("/apply", roles=AUTHOR)
def apply(services: Using, caller: Caller, request_id: RequestId, wanted: ToApply) -> AppliedFiles:
    """Make the registry's documents of these names equal to the files: all of them, or none.

    What did not change keeps its version.
    """
    documents = read_files(wanted.files, services.settings.document_limits)
    names, topics = _not_listed(services, documents) if wanted.prune else ([], [])
    if wanted.prune and not wanted.dry_run:
        _require_few([*names, *topics], wanted.prune.max)
    expected = wanted.expected
    if expected is not None:  # what a plan did not know, it did not mean to delete
        expected = {**dict.fromkeys(names), **expected}
    applied = services.definitions.apply(
        documents.definitions,
        caller.actor,
        documents.mappings,
        reason=wanted.reason,
        expected=expected,
        shadow=wanted.shadow,
        remove=names,
        remove_topics=topics,
        dry_run=wanted.dry_run,
        request_id=request_id,
    )
    return AppliedFiles(items=[ItemModel.of(each) for each in applied], applied=not wanted.dry_run)


def _not_listed(services: Services, documents: Documents) -> tuple[list[str], list[str]]:
    """Names of definitions and topics of mappings that no document speaks of."""
    listed = {each.name for each in documents.definitions}
    mapped = {each.topic for each in documents.mappings}
    names = [row.name for row in services.definitions.list() if row.name not in listed]
    topics = [row.topic for row in services.definitions.mappings() if row.topic not in mapped]
    return names, topics


def _require_few(named: list[str], most: int) -> None:
    if len(named) > most:
        some = ", ".join(named[:NAMED]) + (", …" if len(named) > NAMED else "")
        raise Problem(
            "conflict",
            f"{len(named)} documents are in no file and would be deleted ({some}); allowed are {most}. Nothing was "
            "applied. A dry run shows them all; if they are to go, say so in prune.max.",
        )
