"""Who may call what: roles, who has them, and which of them include others."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody may do; one person may have several."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUTHOR = "author"
    ASSIGNEE = "assignee"


EVERY_ROLE: Final = frozenset(Role)
VIEWER: Final = frozenset({Role.VIEWER})
OPERATOR: Final = frozenset({Role.OPERATOR})
AUTHOR: Final = frozenset({Role.AUTHOR})
OPERATOR_OR_AUTHOR: Final = frozenset({Role.OPERATOR, Role.AUTHOR})

_INCLUDES: Final = {Role.OPERATOR: Role.VIEWER, Role.AUTHOR: Role.VIEWER}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls."""

    actor: str
    """`key:<name>`, `user:<subject>` for a bearer token, `local:<login>` for a command beside the database."""
    roles: frozenset[Role]
    """As they were granted."""
    expires_at: datetime | None = None
    """When the credentials end; None for those that don't."""
    key_id: str | None = None
    """Of the key that they come by; a key's name may be another one's tomorrow."""

    @property
    def holder(self) -> str:
        """Who has what only one caller may have: stored answers go to the key, not to whatever has its name next."""
        return self.actor if self.key_id is None else f"key-id:{self.key_id}"

    def may_call(self, route: Collection[Role]) -> bool:
        """Whether one of the principal's roles, or of those that they include, is among a route's."""
        return not self.roles.isdisjoint(callers(route))


def callers(route: Collection[Role]) -> frozenset[Role]:
    """Every role that may call a route that names these: operators and authors may do what viewers may."""
    return frozenset(route) | {role for role, included in _INCLUDES.items() if included in route}
