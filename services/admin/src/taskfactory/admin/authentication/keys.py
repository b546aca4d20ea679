"""API keys as credentials."""

import hmac
from collections.abc import Callable
from typing import Final

from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool

from taskfactory.admin.authentication.authenticator import Unauthenticated
from taskfactory.admin.roles import EVERY_ROLE, Principal, Role
from taskfactory.registry import FoundKey

PREFIX: Final = "tf_"
"""How every key begins; no JWT does."""
BOOTSTRAP: Final = "bootstrap"
"""The name of the key that comes from the environment; no other key may have it."""


class KeyAuthenticator:
    """Knows keys by the registry, and the one that the environment gave."""

    def __init__(self, find: Callable[[str], FoundKey | None], bootstrap: SecretStr | None) -> None:
        """Ask `find` (`ApiKeys.find`), in a thread."""
        self._find = find
        self._bootstrap = bootstrap

    async def authenticate(self, token: str) -> Principal:
        """The principal of a key.

        Raises:
            Unauthenticated: it is no key, or it was revoked or has expired.
        """
        if self._bootstrap is not None and _same(token, self._bootstrap.get_secret_value()):
            return Principal(f"key:{BOOTSTRAP}", EVERY_ROLE)
        found = await run_in_threadpool(self._find, token)
        if found is None:
            raise Unauthenticated("No key like this is known; `taskfactory keys create` makes one.")
        key = found.key
        if key.revoked_at is not None:
            raise Unauthenticated(f"The key {key.name} was revoked; ask an operator for another one.")
        if found.expired:
            raise Unauthenticated(f"The key {key.name} has expired; ask an operator for another one.")
        return Principal(f"key:{key.name}", frozenset(Role(role) for role in key.roles), key.expires_at, key.id)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode())
