"""Tokens of an OpenID Connect issuer: a real HTTP server publishes the keys."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from taskfactory.admin.authentication import Unauthenticated
from taskfactory.admin.authentication.jwks import IssuerKeys
from taskfactory.admin.authentication.tokens import TokenAuthenticator, TokenRules
from taskfactory.admin.roles import Role
from taskfactory.intake import Unavailable
from tests.admin.issuer import AUDIENCE, Issuer, running_issuer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5) as client:
        yield client


@pytest.fixture
def known(issuer: Issuer, http: httpx.AsyncClient, clock: Clock) -> TokenAuthenticator:
    rules = TokenRules(issuer.url, AUDIENCE, ("RS256", "ES256"), "roles", {})
    return TokenAuthenticator(rules, IssuerKeys(http, issuer.url, None, clock=clock))


def unsigned(issuer: Issuer) -> str:
    """`alg: none`, with the claims of a good token."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "first"}).encode()).decode().rstrip("=")
    return f"{header}.{issuer.token().split('.')[1]}."


def signed_with_the_public_key(issuer: Issuer) -> str:
    """The public key's own text as a shared secret: what a server falls for that believes the token's `alg`."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "first"}).encode()).decode().rstrip("=")
    said = f"{header}.{issuer.token().split('.')[1]}"
    signature = hmac.digest(issuer.keys[0].as_pem(private=False), said.encode(), "sha256")
    return f"{said}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


async def test_a_good_token_lets_its_subject_in_with_its_roles(issuer: Issuer, known: TokenAuthenticator) -> None:
    expires = int(time.time()) + 60
    principal = await known.authenticate(issuer.token(roles=["operator", "something-else"], exp=expires))
    assert (principal.actor, principal.roles) == ("user:ann", frozenset({Role.OPERATOR}))
    assert principal.expires_at == datetime.fromtimestamp(expires, UTC)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "http://127.0.0.1:1"},
        {"iss": None},
        {"aud": "another-service"},
        {"aud": ["another-service"]},
        {"aud": None},
        {"exp": 1_000_000},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": 4_000_000_000},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 600},
        {"sub": "a\nb"},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_lets_nobody_in(
    issuer: Issuer, known: TokenAuthenticator, changed: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await known.authenticate(issuer.token(**changed))
    assert refused.value.headers["WWW-Authenticate"] == 'Bearer realm="taskfactory", error="invalid_token"'


async def test_a_token_that_nobody_or_somebody_else_signed_lets_nobody_in(
    issuer: Issuer, known: TokenAuthenticator
) -> None:
    secret = OctKey.import_key("published-by-mistake-and-known-to-all", {"kid": "secret"})
    forged = [
        unsigned(issuer),
        issuer.token(key=RSAKey.generate_key(2048, {"kid": "first"})),
        issuer.token(key=secret),
        signed_with_the_public_key(issuer),
        issuer.token()[:-8] + "AAAAAAAA",
        "a.b.c",
        "nothing",
        "é",
        "x" * 20_000,
    ]
    for token in forged:
        with pytest.raises(Unauthenticated):
            await known.authenticate(token)


async def test_keys_rotate_without_a_restart(issuer: Issuer, known: TokenAuthenticator, clock: Clock) -> None:
    old = issuer.token()
    await known.authenticate(old)
    issuer.rotate("second", elliptic=True)
    clock.now = 11
    assert (await known.authenticate(issuer.token())).actor == "user:ann"
    # The old key is not published any more.
    with pytest.raises(Unauthenticated):
        await known.authenticate(old)


async def test_who_comes_while_the_keys_are_being_fetched_waits_for_them(
    issuer: Issuer, known: TokenAuthenticator, clock: Clock
) -> None:
    first = await asyncio.gather(*(known.authenticate(issuer.token()) for _ in range(5)), return_exceptions=True)
    assert [each for each in first if isinstance(each, Exception)] == []
    issuer.rotate("second")
    clock.now = 11
    then = await asyncio.gather(*(known.authenticate(issuer.token()) for _ in range(5)), return_exceptions=True)
    assert [each for each in then if isinstance(each, Exception)] == []
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"] * 2


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 7},
        {"sub": ["ann"]},
        {"roles": [{"name": "operator"}]},
        {"roles": {"operator": 1}},
        {"exp": 10**18, "roles": None},
    ],
)
async def test_a_claim_of_another_shape_breaks_nothing(
    issuer: Issuer, known: TokenAuthenticator, claims: dict[str, Any]
) -> None:
    try:
        principal = await known.authenticate(issuer.token(**claims))
    except Unauthenticated:
        return
    assert principal.roles == frozenset()


async def test_a_key_that_was_taken_back_is_gone_after_a_while(
    issuer: Issuer, known: TokenAuthenticator, clock: Clock
) -> None:
    old = issuer.token()
    await known.authenticate(old)
    issuer.rotate("second")
    clock.now = 601
    with pytest.raises(Unauthenticated):
        await known.authenticate(old)


async def test_unknown_keys_make_nobody_ask_the_issuer_again_and_again(
    issuer: Issuer, known: TokenAuthenticator, clock: Clock
) -> None:
    await known.authenticate(issuer.token())
    asked = len(issuer.asked)
    clock.now = 11
    stranger = RSAKey.generate_key(2048, {"kid": "stranger"})
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            await known.authenticate(issuer.token(key=stranger))
    assert issuer.asked[asked:] == ["/.well-known/openid-configuration", "/keys"]


async def test_an_issuer_that_is_away_keeps_nobody_out_whose_key_is_known(
    issuer: Issuer, known: TokenAuthenticator, clock: Clock
) -> None:
    await known.authenticate(issuer.token())
    issuer.away = True
    clock.now = 5000
    assert (await known.authenticate(issuer.token())).actor == "user:ann"


async def test_without_any_keys_a_token_can_not_be_judged_now(issuer: Issuer, known: TokenAuthenticator) -> None:
    issuer.away = True
    with pytest.raises(Unavailable):
        await known.authenticate(issuer.token())


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"realm_access": {"roles": ["platform", "unknown"]}}, {Role.OPERATOR, Role.AUTHOR}),
        ({"realm_access": {"roles": "shop"}}, {Role.ASSIGNEE}),
        ({"realm_access": {"roles": ["operator"]}}, set()),  # with a map, only what it names counts
        ({"realm_access": {"roles": [{"platform": 1}, 7, None]}}, set()),
        ({"realm_access": ["platform"]}, set()),
        ({}, set()),
    ],
)
async def test_roles_come_from_the_mapped_claim(
    issuer: Issuer, http: httpx.AsyncClient, claims: dict[str, Any], roles: set[Role]
) -> None:
    role_map = {"platform": (Role.OPERATOR, Role.AUTHOR), "shop": (Role.ASSIGNEE,)}
    rules = TokenRules(issuer.url, AUDIENCE, ("RS256",), "realm_access.roles", role_map)
    known = TokenAuthenticator(rules, IssuerKeys(http, issuer.url, f"{issuer.url}/keys"))
    assert (await known.authenticate(issuer.token(**claims))).roles == roles
