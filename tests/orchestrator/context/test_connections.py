"""What operators write down, and what they read when it is wrong; no message repeats what may be a secret."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from taskfactory.cli.config import described
from taskfactory.cli.variables import settings_problems
from taskfactory.definitions import HttpContext, SqlContext, load_definitions
from taskfactory.definitions.source import read_documents
from taskfactory.orchestrator.context.connections import HttpConnection, SqlConnection, parse_connections
from taskfactory.orchestrator.context.references import resolve
from taskfactory.orchestrator.context.settings import ContextSettings
from taskfactory.orchestrator.context.trouble import ContextTrouble

GUIDE = (Path(__file__).parents[3] / "docs" / "context.md").read_text(encoding="utf-8")
FILE = """
connections:
  crm:
    type: http
    base_url: https://crm.internal/api
    allowed_networks: [10.0.0.0/8]
    auth: {type: bearer, token: "env:CRM_TOKEN"}
  shop: {type: sql, url: "file:/run/secrets/shop"}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    written = tmp_path / "connections.yaml"
    written.write_text(FILE)
    monkeypatch.setenv("TASKFACTORY_CONNECTIONS_FILE", str(written))
    return written


def test_the_file_names_connections_and_the_environment_wins_over_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKFACTORY_CONNECTIONS__CRM__TIMEOUT", "3")
    monkeypatch.setenv("TASKFACTORY_CONNECTIONS__CRM__HEADERS__X_TENANT", "shop")
    monkeypatch.setenv("TASKFACTORY_CONNECTIONS__GEO__TYPE", "http")
    monkeypatch.setenv("TASKFACTORY_CONNECTIONS__GEO__BASE_URL", "http://geo:8080")
    monkeypatch.setenv("TASKFACTORY_CONNECTIONS__GEO__PATHS", "/v1,/v2")
    settings = ContextSettings()
    crm, geo, shop = (settings.connections[name] for name in ("crm", "geo", "shop"))
    assert isinstance(crm, HttpConnection)
    assert (crm.base_url, crm.timeout, crm.headers) == ("https://crm.internal/api", 3.0, {"x-tenant": "shop"})
    assert isinstance(geo, HttpConnection)
    assert (geo.paths, geo.port, geo.methods) == (("/v1", "/v2"), 8080, ("GET",))
    assert isinstance(shop, SqlConnection)


def test_without_connections_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKFACTORY_CONNECTIONS_FILE", raising=False)
    assert ContextSettings().connections == {}


@pytest.mark.usefixtures("file")
def test_config_shows_references_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TOKEN", "hunter2")
    shown = {each.variable: each.value for each in described("orchestrator", ContextSettings(), {})}
    assert shown["TASKFACTORY_CONNECTIONS__CRM__AUTH__TOKEN"] == "env:CRM_TOKEN"
    assert "hunter2" not in str(shown)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"type": "ftp"},
            "crm: Input tag 'ftp' found using 'type' does not match any of the expected tags: 'http', 'sql'",
        ),
        ({"base_url": "https://crm", "tiemout": 3}, "crm.tiemout: unknown field 'tiemout'; did you mean 'timeout'?"),
        ({"base_url": "https://u:hunter2@crm"}, "crm.base_url: allowed is http(s)://host[:port][/path], without user"),
        ({"base_url": "https://crm?key=hunter2"}, "crm.base_url: allowed is http(s)://host"),
        ({"base_url": "file:///etc/passwd"}, "crm.base_url: allowed is http(s)://host"),
        ({"base_url": "gopher://crm"}, "crm.base_url: allowed is http(s)://host"),
        ({"base_url": "http://crm:99999"}, "crm.base_url: allowed is http(s)://host"),
        (
            {"base_url": "https://münchen.example/api"},
            "crm.base_url: the host has characters beyond ASCII; write it as",
        ),
        ({"base_url": "https://crm。example"}, "crm.base_url: the host has characters beyond ASCII; write it as"),
        ({"base_url": "https://crm/a/../b"}, "crm.base_url: found the segment '..'"),
        ({"base_url": "https://crm", "paths": "/a/../b"}, "crm.paths: found the segment '..'"),
        ({"base_url": "https://crm", "allowed_networks": "here"}, "crm.allowed_networks: found 'here'; allowed is a"),
        (
            {"base_url": "https://crm", "headers": {"X-Api-Key": "hunter2"}},
            "crm.headers: X-Api-Key: allowed is env:NAME",
        ),
        ({"base_url": "https://crm", "headers": {"Host": "x"}}, "crm.headers: found 'Host'"),
        ({"base_url": "https://crm", "headers": {"X-A": "a\r\nb"}}, "crm.headers: X-A: allowed is ASCII text"),
        (
            {"base_url": "https://crm", "auth": {"type": "bearer", "token": "hunter2"}},
            "crm.auth.bearer.token: allowed is",
        ),
    ],
)
def test_a_refusal_says_what_is_allowed(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match="crm") as caught:
        parse_connections({"crm": {"type": "http", **fields}})
    assert str(caught.value).startswith(sentence)
    assert "hunter2" not in str(caught.value)


def test_a_database_is_named_by_a_reference_only() -> None:
    with pytest.raises(ValueError, match=r"shop\.url: allowed is env:NAME or file:/path") as caught:
        parse_connections({"shop": {"type": "sql", "url": "postgresql://u:hunter2@h/d"}})
    assert "hunter2" not in str(caught.value)


def test_a_command_shows_a_broken_connection_without_what_was_found(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TASKFACTORY_CONNECTIONS__CRM__AUTH__TOKEN", "hunter2")
    with pytest.raises(ValidationError) as caught:
        ContextSettings()
    (line,) = settings_problems(caught.value)
    assert line.startswith("TASKFACTORY_CONNECTIONS: crm.auth.bearer.token: allowed is env:NAME or file:/path")
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("connections: [", "this is not YAML"),
        ("crm: {type: http}", "allowed is one document with `connections:`"),
        ("connections: {crm: {type: http, type: sql}}", "found the key 'type' again"),
    ],
)
def test_a_file_that_can_not_be_used_is_said_with_its_place(file: Path, text: str, sentence: str) -> None:
    file.write_text(text)
    with pytest.raises(ValidationError, match=r"connections\.yaml") as caught:
        ContextSettings()
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there_is_said(file: Path) -> None:
    file.unlink()
    with pytest.raises(ValidationError, match="can't be read: FileNotFoundError"):
        ContextSettings()


def test_a_secret_is_read_each_time_and_its_absence_is_said_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text("one\n")
    assert resolve(f"file:{secret}") == "one"
    secret.write_text("two\n")
    assert resolve(f"file:{secret}") == "two"
    monkeypatch.delenv("CRM_TOKEN", raising=False)
    for reference in ("env:CRM_TOKEN", f"file:{tmp_path}/none"):
        with pytest.raises(ContextTrouble) as caught:
            resolve(reference)
        assert caught.value.retryable
        assert reference in caught.value.message


def test_the_examples_of_the_guide_are_read() -> None:
    definitions, connections = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    (read,) = load_definitions(definitions, "docs/context.md")
    (document,) = read_documents(connections)
    known = parse_connections(document.value["connections"])
    assert {source.connection for source in read.context if isinstance(source, HttpContext | SqlContext)} == set(known)
