"""OpenID Connect tokens as credentials: signature, issuer, audience and times are checked; roles come from a claim."""

import binascii
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError

from taskfactory.admin.authentication.authenticator import Unauthenticated
from taskfactory.admin.authentication.jwks import IssuerKeys
from taskfactory.admin.roles import Principal, Role

LEEWAY: Final = 30
"""Seconds that the issuer's clock may be apart from ours."""
MAX_TOKEN: Final = 16 * 1024
MAX_SUBJECT: Final = 500
REFUSED: Final = "The token is not accepted: {why}. Get a new one from the issuer."


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must be."""

    issuer: str
    audience: str
    algorithms: Sequence[str]
    """Signatures that are accepted; the token's own word is not asked."""
    roles_claim: str
    """Dots go deeper."""
    role_map: Mapping[str, Sequence[Role]]
    """A value of the claim → roles; empty: values that are role names count."""


class TokenAuthenticator:
    """Knows tokens by their issuer's keys."""

    def __init__(self, rules: TokenRules, keys: IssuerKeys, clock: Callable[[], float] = time.time) -> None:
        """Check tokens by `rules`, at the time of `clock` (seconds since 1970)."""
        self._rules = rules
        self._keys = keys
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=LEEWAY,
            iss={"essential": True, "value": rules.issuer},
            aud={"essential": True, "value": rules.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def authenticate(self, token: str) -> Principal:
        """The principal that a token speaks of.

        Raises:
            Unauthenticated: the token is not accepted.
            Unavailable: the issuer's keys are not known yet, and it does not answer.
        """
        if len(token) > MAX_TOKEN:
            raise Unauthenticated(REFUSED.format(why=f"it has more than {MAX_TOKEN} characters"))
        keys = await self._keys.current(_kid(token))
        try:
            claims = jwt.decode(token, keys, algorithms=list(self._rules.algorithms)).claims
            self._claims.validate(claims)
        except ExpiredTokenError:
            raise Unauthenticated(REFUSED.format(why="it has expired")) from None
        except (JoseError, ValueError, TypeError) as error:
            raise Unauthenticated(REFUSED.format(why=_said(error))) from None
        subject = claims["sub"]
        if not (0 < len(subject) <= MAX_SUBJECT and subject.isprintable()):
            raise Unauthenticated(REFUSED.format(why=f"its subject must have 1 to {MAX_SUBJECT} printable characters"))
        return Principal(f"user:{subject}", granted(claims, self._rules), _expiry(claims["exp"]))


def granted(claims: Mapping[str, Any], rules: TokenRules) -> frozenset[Role]:
    """The roles that a token's claims give; none for claims that say nothing about them."""
    found: Any = claims
    for part in rules.roles_claim.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    values: Iterable[Any] = found if isinstance(found, list) else [found]
    if rules.role_map:
        return frozenset(role for value in values if isinstance(value, str) for role in rules.role_map.get(value, ()))
    return frozenset(Role(value) for value in values if isinstance(value, str) and value in set(Role))


def _kid(token: str) -> str | None:
    """The key that a token names, before anything about it is believed.

    Raises:
        Unauthenticated: it is no signed token.
    """
    try:
        kid = jws.extract_compact(token.encode("ascii")).headers().get("kid")
    except (JoseError, ValueError, TypeError, binascii.Error):
        raise Unauthenticated(REFUSED.format(why="it is neither an API key nor a signed JWT")) from None
    return kid if isinstance(kid, str) else None


def _expiry(exp: float) -> datetime:
    """When the token ends; the last moment that there is, for a number beyond all years."""
    try:
        return datetime.fromtimestamp(exp, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _said(error: Exception) -> str:
    return str(error).rstrip(".") if isinstance(error, JoseError) else "it can't be read"
