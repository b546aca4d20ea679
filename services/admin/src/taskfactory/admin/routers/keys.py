"""`/v1/keys`: API keys. The secret is shown once, when a key is made."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, field_validator

from taskfactory.admin.authentication.keys import BOOTSTRAP
from taskfactory.admin.calling import Caller, RequestId
from taskfactory.admin.definition_shapes import Reason
from taskfactory.admin.pages import Page, Paging
from taskfactory.admin.problems import InputError, Problem
from taskfactory.admin.roles import OPERATOR, Principal, Role
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Services, Using
from taskfactory.definitions.durations import parse_duration
from taskfactory.registry import ApiKey, ApiKeys, WantedKey

router = ApiRouter(prefix="/v1/keys", tag="keys")

TEN_YEARS = 3650 * 24 * 3600


class KeyModel(BaseModel):
    """A key, without its secret."""

    id: str = Field(examples=["k3v9q2ax"])
    name: str = Field(examples=["ci"])
    roles: list[Role]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """From the registry's value."""
        fields = {name: getattr(key, name) for name in KeyModel.model_fields}
        return cls(**{**fields, "roles": sorted(key.roles)})


class NewKey(BaseModel):
    """The key that is wanted."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$")] = Field(
        description="As the audit trail is to name whoever uses it.", examples=["ci"]
    )
    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))] = Field(examples=[["author"]])
    expires_in: str | None = Field(
        None,
        description="Such as `90d`; without it, never. Not after the caller's own credentials end.",
        examples=["90d"],
    )
    reason: Reason = None

    @field_validator("expires_in")
    @classmethod
    def _is_a_duration(cls, given: str | None) -> str | None:
        if given is not None and not 0 < parse_duration(given) <= TEN_YEARS:
            raise ValueError(f"found {given}; allowed is more than nothing and at most 3650d")
        return given

    def expires_at(self, now: datetime) -> datetime | None:
        """When it ends."""
        return None if self.expires_in is None else now + timedelta(seconds=parse_duration(self.expires_in))


class CreatedKey(KeyModel):
    """A new key, with the secret."""

    key: str | None = Field(
        description="What the caller sends as a bearer token. Keep it: it is never shown again; a request that is "
        "repeated under its `Idempotency-Key` is answered with null here."
    )


@router.get("", roles=OPERATOR)
def list_keys(services: Using, page: Paging) -> Page[KeyModel]:
    """Keys, the oldest first, revoked and expired ones too."""
    rows = _keys(services).page(after=page.after(tuple[datetime, str]), limit=page.fetch)
    return page.page_of(rows, KeyModel.of, lambda key: (key.created_at, key.id))


@router.post("", roles=OPERATOR, status_code=201, shown_once=["key"])
def create_key(services: Using, caller: Caller, request_id: RequestId, wanted: NewKey) -> CreatedKey:
    """Make a key. One may give only roles that one has, and no longer than one's own credentials last."""
    _require_own(caller, wanted.roles)
    expires_at = wanted.expires_at(datetime.now(UTC))
    _require_within(caller, wanted.expires_in, expires_at)
    if wanted.name == BOOTSTRAP:
        message = f"found {BOOTSTRAP!r}, which is the name of the key that the environment gives; choose another"
        raise Problem("invalid", "The name can't be used.", [InputError("body.name", message)])
    key = WantedKey(wanted.name, frozenset(wanted.roles), expires_at)
    issued = _keys(services).issue([key], caller.actor, reason=wanted.reason, request_id=request_id)[0]
    return CreatedKey(**KeyModel.of(issued.key).model_dump(), key=issued.token)


@router.delete("/{key_id}", roles=OPERATOR, status_code=204)
def revoke_key(
    services: Using, caller: Caller, request_id: RequestId, key_id: str, reason: Annotated[Reason, Query()] = None
) -> None:
    """End a key, from the next request on. Doing it again changes nothing."""
    _keys(services).revoke([key_id], caller.actor, reason=reason, request_id=request_id)


def _require_own(caller: Principal, wanted: list[Role]) -> None:
    foreign = sorted(role for role in wanted if not caller.may_call({role}))
    if foreign:
        raise Problem(
            "forbidden",
            f"{caller.actor} has not the role(s) {', '.join(foreign)}, and can't give them: ask somebody who has them.",
        )


def _require_within(caller: Principal, expires_in: str | None, expires_at: datetime | None) -> None:
    limit = caller.expires_at
    if limit is None or (expires_at is not None and expires_at <= limit):
        return
    found = "no expires_in, which means never" if expires_in is None else expires_in
    message = (
        f"found {found}; {caller.actor}'s own credentials end at {limit.isoformat()}, and no key may outlive those "
        "that made it: choose a shorter time, or ask somebody whose credentials last longer"
    )
    raise Problem(
        "invalid", "The key would outlive the credentials that make it.", [InputError("body.expires_in", message)]
    )


def _keys(services: Services) -> ApiKeys:
    return ApiKeys(services.engine)
