"""Who gets in: every route of the app, for every role and for everybody whose credentials are no good.

The routes are the app's own, so that one that is added is tested here without a word.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Engine

from taskfactory.admin.app import ROUTERS, build_app
from taskfactory.admin.authentication.local import Local
from taskfactory.admin.roles import Role
from taskfactory.admin.routing import ApiRoute, ApiRouter, RouteWithoutRoles
from taskfactory.admin.services import Services
from taskfactory.admin.settings import AdminSettings
from taskfactory.admin.temporal import LazyTemporal
from taskfactory.registry import ApiKeys, WantedKey
from tests.admin.conftest import client_of, served
from tests.admin.issuer import AUDIENCE, Issuer, running_issuer

ROUTES = [
    (method, route)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, ApiRoute)
    for method in sorted(route.methods or ())
]
MAY_ALSO = {Role.OPERATOR: {Role.VIEWER}, Role.AUTHOR: {Role.VIEWER}}
"""What the documentation promises, said a second time."""


@dataclass(frozen=True)
class World:
    app: FastAPI
    tokens: Mapping[str, str]
    """Credentials by what they are."""


def path_of(route: ApiRoute) -> str:
    """The route's path about something that does not exist: who may call it gets another answer than 401 and 403."""
    return re.sub(r"\{(\w+)(:path)?\}", lambda found: "1" if found[1] == "version" else "not-there", route.path)


async def ask(world: World, method: str, route: ApiRoute, token: str | None) -> httpx.Response:
    async with client_of(world.app, token) as client:
        return await client.request(method, path_of(route), content=b"{", headers={"Content-Type": "application/json"})


@pytest.fixture
async def world(stack: Any, engine: Engine, environment: None, keys: ApiKeys) -> AsyncIterator[World]:
    with running_issuer() as issuer:
        settings = AdminSettings(oidc_issuer=issuer.url, oidc_audience=AUDIENCE)
        async with served(engine, settings) as app:
            yield World(app, credentials(stack, keys, issuer))


def credentials(stack: Any, keys: ApiKeys, issuer: Issuer) -> dict[str, str]:
    now = datetime.now(UTC)
    every = frozenset(role.value for role in Role)
    wanted = {role.value: WantedKey(stack.name(role), frozenset({role.value})) for role in Role}
    wanted["expired key"] = WantedKey(stack.name("expired"), every, now - timedelta(seconds=1))
    wanted["revoked key"] = WantedKey(stack.name("revoked"), every)
    issued = dict(zip(wanted, keys.issue(list(wanted.values()), "tester"), strict=True))
    keys.revoke([issued["revoked key"].key.id], "tester")
    tokens = {name: each.token for name, each in issued.items()}
    roles = [role.value for role in Role]
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    tokens |= {
        "unknown key": tokens["viewer"][:-1] + ("A" if tokens["viewer"][-1] != "A" else "B"),
        "another key's secret": issued["viewer"].token[:12] + issued["operator"].token[12:],
        "cut key": tokens["viewer"][:-1],
        "wrong issuer": issuer.token(roles=roles, iss="http://127.0.0.1:1"),
        "wrong audience": issuer.token(roles=roles, aud="another"),
        "expired token": issuer.token(roles=roles, exp=1_000_000),
        "unsigned token": f"{header}.{issuer.token(roles=roles).split('.')[1]}.",
        "token without roles": issuer.token(roles=[]),
        "token of an operator": issuer.token(roles=["operator"]),
    }
    return tokens


NO_CREDENTIALS = [
    "unknown key",
    "another key's secret",
    "cut key",
    "expired key",
    "revoked key",
    "wrong issuer",
    "wrong audience",
    "expired token",
    "unsigned token",
]


async def test_every_route_lets_in_exactly_the_roles_that_it_names(world: World) -> None:
    wrong = []
    for method, route in ROUTES:
        for role in Role:
            status = (await ask(world, method, route, world.tokens[role.value])).status_code
            allowed = bool(({role} | MAY_ALSO.get(role, set())) & route.roles)
            if (status != 403) is not allowed or status in {401, 500}:
                wrong.append((method, route.path, role.value, status))
    assert wrong == []
    assert len(ROUTES) > 20


async def test_no_route_lets_anybody_in_without_good_credentials(world: World) -> None:
    wrong = []
    for method, route in ROUTES:
        for token in (None, *(world.tokens[name] for name in NO_CREDENTIALS)):
            answer = await ask(world, method, route, token)
            if answer.status_code != 401 or not answer.headers["www-authenticate"].startswith("Bearer "):
                wrong.append((method, route.path, token, answer.status_code))
    assert wrong == []


async def test_a_token_without_roles_may_do_nothing(world: World) -> None:
    statuses = {
        (await ask(world, method, route, world.tokens["token without roles"])).status_code for method, route in ROUTES
    }
    assert statuses == {403}


async def test_a_token_opens_what_its_roles_open(world: World) -> None:
    async with client_of(world.app, world.tokens["token of an operator"]) as client:
        me = (await client.get("/v1/me")).json()
        assert (me["actor"], me["roles"]) == ("user:ann", ["operator"])
        assert datetime.fromisoformat(me["expires_at"]) > datetime.now(UTC)
        assert (await client.post("/v1/apply", json={"files": []})).status_code == 403


async def test_credentials_in_another_form_are_none(world: World) -> None:
    token = world.tokens["viewer"]
    async with client_of(world.app) as client:
        for given in ("", "Bearer", "Bearer ", token, f"Basic {token}", f"Bearer {token} {token}"):
            assert (await client.get("/v1/me", headers={"Authorization": given})).status_code == 401
        assert (await client.get("/v1/me", params={"access_token": token})).status_code == 401
        assert (await client.get("/v1/me", headers={"Authorization": f"bearer {token}"})).status_code == 200


async def test_odd_spellings_of_a_path_open_nothing(world: World) -> None:
    async with client_of(world.app) as client:
        for path in (
            "/v1/keys/",
            "/v1//keys",
            "/v1/keys.json",
            "/V1/keys",
            "/v1/keys/livez",
            "/v1/%6beys",
        ):
            assert (await client.get(path)).status_code in {401, 404, 405}, path


async def test_the_caller_is_known_before_the_body_is_read(world: World) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("a part")
        yield b"{}"

    async with client_of(world.app) as client:
        assert (await client.post("/v1/apply", content=body())).status_code == 401
    async with client_of(world.app, world.tokens["viewer"]) as client:
        assert (await client.post("/v1/apply", content=body())).status_code == 403
    assert read == []


async def test_the_key_of_the_environment_opens_everything(engine: Engine, environment: None) -> None:
    key = "tf_abcdefgh_" + "x" * 43
    async with served(engine, AdminSettings(api_bootstrap_key=SecretStr(key))) as app:
        async with client_of(app, key) as client:
            me = (await client.get("/v1/me")).json()
            assert (me["actor"], len(me["roles"])) == ("key:bootstrap", len(Role))
        async with client_of(app, key[:-1] + "y") as client:
            assert (await client.get("/v1/me")).status_code == 401


def test_a_route_without_roles_can_not_be_declared() -> None:
    router = ApiRouter(prefix="/v1/odd", tag="odd")
    with pytest.raises(TypeError):
        router.get("/open")  # type: ignore[call-arg]
    with pytest.raises(RouteWithoutRoles):
        router.get("/open", roles=())


def test_an_app_with_a_route_of_another_kind_does_not_start(engine: Engine, environment: None) -> None:
    settings = AdminSettings()
    router = ApiRouter(prefix="/v1/odd", tag="odd")
    router.add_route("/v1/odd/open", lambda _: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(RouteWithoutRoles):
        build_app(Services(settings, engine, LazyTemporal(settings)), Local("x"), [router])


def test_the_document_names_the_roles_of_every_route(engine: Engine, environment: None) -> None:
    from taskfactory.admin.openapi import document  # noqa: PLC0415

    settings = AdminSettings()
    found = document(build_app(Services(settings, engine, LazyTemporal(settings)), Local("x")))
    operations = [one for methods in found["paths"].values() for one in methods.values()]
    assert len(operations) == len(ROUTES)
    assert all(operation["x-roles"] for operation in operations)
    assert all("401" in operation["responses"] and "403" in operation["responses"] for operation in operations)
    assert json.dumps(found).count("HTTPValidationError") == 0


def test_no_path_hides_a_thing_that_is_named_like_it() -> None:
    hidden = [
        (method, one.path, other.path)
        for method, one in ROUTES
        for other_method, other in ROUTES
        if method == other_method and one is not other
        if other.path_regex.match(re.sub(r"\{[^}]*\}", "x", one.path))
    ]
    assert hidden == []
