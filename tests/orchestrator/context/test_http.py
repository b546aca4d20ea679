"""Requests on a real server: what is sent, what is read, and that nothing leads to where the operator did not point."""

import asyncio
import gzip
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from taskfactory.definitions import HttpRequest
from taskfactory.orchestrator.context.connections import HttpConnection, parse_connections
from taskfactory.orchestrator.context.http import HttpFetcher, HttpLimits
from taskfactory.orchestrator.context.http_cache import HttpCache
from taskfactory.orchestrator.context.resolving import Resolver, SystemResolver
from taskfactory.orchestrator.context.trouble import ContextTrouble
from taskfactory.runtime.logs import configure_logs
from tests.orchestrator.context.http_server import HttpServer, drips, http_server, says

GET = HttpRequest("GET", "/customers/7", (), {}, None)


class Names:
    """A resolver that says what it is told to, something else each time if need be."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(f"{host}:{port}")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def connection(base_url: str, *, networks: str = "127.0.0.1", **fields: Any) -> HttpConnection:
    given = {"type": "http", "base_url": base_url, "allowed_networks": networks, **fields}
    made = parse_connections({"crm": given})["crm"]
    assert isinstance(made, HttpConnection)
    return made


async def fetch(
    to: HttpConnection,
    request: HttpRequest = GET,
    *,
    resolver: Resolver | None = None,
    seconds: float = 5,
    max_bytes: int = 10_000,
) -> Any:
    fetcher = HttpFetcher(resolver or SystemResolver(), HttpCache(0))
    try:
        return await fetcher.fetch("crm", to, request, HttpLimits(seconds, max_bytes))
    finally:
        await fetcher.close()


async def trouble(work: Awaitable[Any]) -> ContextTrouble:
    with pytest.raises(ContextTrouble) as caught:
        await work
    return caught.value


async def test_a_request_says_what_the_author_and_the_operator_want(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CRM_TOKEN", "t0ken")
    (tmp_path / "key").write_text("k3y\n")
    request = HttpRequest(
        "POST", "/a%20b", (("q", "x&y=1"), ("n", "1")), {"X-Trace": "e-1", "X-Tenant": "evil"}, b'{"a": 1}'
    )
    headers = {"X-Tenant": "shop", "X-Api-Key": f"file:{tmp_path / 'key'}"}
    async with http_server(says(b'{"ok": true}')) as server:
        to = connection(
            f"{server.base_url}/v2/",
            methods="get,post",
            headers=headers,
            auth={"type": "bearer", "token": "env:CRM_TOKEN"},
        )
        assert await fetch(to, request) == {"ok": True}
    assert server.target() == "/v2/a%20b?q=x%26y%3D1&n=1"
    assert server.bodies == [b'{"a": 1}']
    sent = server.headers()
    assert sent["host"] == f"127.0.0.1:{server.port}"
    assert (sent["authorization"], sent["x-api-key"], sent["x-tenant"]) == ("Bearer t0ken", "k3y", "shop")
    assert (sent["x-trace"], sent["content-type"], sent["accept-encoding"]) == ("e-1", "application/json", "gzip")


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        ("404 Not Found", "Http404", False),
        ("401 Unauthorized", "Http401", False),
        ("429 Too Many Requests", "Http429", True),
        ("503 Service Unavailable", "Http503", True),
    ],
)
async def test_an_answer_that_is_no_success_is_said_by_its_status_alone(
    status: str, kind: str, *, retryable: bool
) -> None:
    async with http_server(says(b'{"secret": "s3cret"}', status, Retry_After="7")) as server:
        found = await trouble(fetch(connection(server.base_url)))
    assert (found.kind, found.retryable, found.retry_after) == (kind, retryable, 7)
    assert "s3cret" not in found.message


async def test_no_content_is_null() -> None:
    async with http_server(says(b"", "204 No Content")) as server:
        assert await fetch(connection(server.base_url)) is None


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"a": NaN}', b'{"a": 1', b"[" * 5000 + b"]" * 5000, b"\xff", b"123456789012345678901"]
)
async def test_an_answer_that_is_no_json_is_not_repeated_in_the_message(body: bytes) -> None:
    async with http_server(says(body)) as server:
        found = await trouble(fetch(connection(server.base_url), max_bytes=20_000))
    assert found.message == "connection crm: the answer is no JSON that can be used"


async def test_a_server_that_is_away_may_come_back() -> None:
    async with http_server(says(b"1")) as server:
        to = connection(server.base_url)
    found = await trouble(fetch(to))
    assert (found.kind, found.retryable) == ("Unavailable", True)


# --- where requests go ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "304 Not Modified"]
)
async def test_a_redirect_is_not_followed(status: str) -> None:
    async with (
        http_server(says(b"1")) as inside,
        http_server(says(b"", status, Location=f"{inside.base_url}/")) as server,
    ):
        found = await trouble(fetch(connection(server.base_url)))
    assert found.kind == "Redirected"
    assert inside.requests == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ],
)
async def test_loopback_is_refused_however_it_is_written(host: str) -> None:
    async with http_server(says(b"1")) as server:
        found = await trouble(fetch(connection(f"http://{host}:{server.port}", networks="")))
    assert found.kind == "AddressRefused"
    assert server.requests == []


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "10.0.0.1", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]
)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    found = await trouble(fetch(connection("http://crm.example", networks=""), resolver=Names([address])))
    assert found.kind == "AddressRefused"
    assert "allowed_networks" in found.message


async def test_one_address_inside_refuses_a_name_altogether() -> None:
    names = Names(["8.8.8.8", "10.0.0.1"])
    assert (
        await trouble(fetch(connection("http://crm.example", networks=""), resolver=names))
    ).kind == "AddressRefused"


async def test_a_name_is_looked_up_once_and_what_was_checked_is_what_is_connected_to() -> None:
    async with http_server(says(b"1")) as server:
        names = Names(["127.0.0.1"], ["169.254.169.254"])  # another answer the second time: rebinding
        assert await fetch(connection(f"http://crm.example:{server.port}"), resolver=names) == 1
    assert names.asked == [f"crm.example:{server.port}"]
    assert server.headers()["host"] == f"crm.example:{server.port}"


async def test_a_name_that_is_bound_anew_between_two_requests_is_refused() -> None:
    async with http_server(says(b"1")) as server:
        fetcher = HttpFetcher(Names(["127.0.0.1"], ["127.0.0.2"]), HttpCache(0))
        to, limits = connection(f"http://crm.example:{server.port}"), HttpLimits(5, 1000)
        assert await fetcher.fetch("crm", to, GET, limits) == 1
        assert (await trouble(fetcher.fetch("crm", to, GET, limits))).kind == "AddressRefused"
        await fetcher.close()
    assert len(server.requests) == 1


async def test_an_address_that_does_not_answer_gives_way_to_the_next() -> None:
    async with http_server(says(b"1")) as server:
        names = Names(["127.0.0.9", "127.0.0.1"])  # nobody listens at the first
        to = connection(f"http://crm.example:{server.port}", networks="127.0.0.0/8")
        assert await fetch(to, resolver=names) == 1


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_server(says(b"1")) as server, http_server(says(b"2")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        monkeypatch.setenv("ALL_PROXY", proxy.base_url)
        assert await fetch(connection(server.base_url)) == 1
    assert proxy.requests == []


@pytest.mark.parametrize("secret", ["hünter2", "hunter2\nX-Evil: 1", "hunter2\x00"])
async def test_a_secret_that_no_header_can_carry_is_said_without_it(tmp_path: Path, secret: str) -> None:
    (tmp_path / "token").write_text(secret)
    async with http_server(says(b"1")) as server:
        to = connection(server.base_url, auth={"type": "bearer", "token": f"file:{tmp_path / 'token'}"})
        found = await trouble(fetch(to))
    assert (found.kind, found.retryable, server.requests) == ("Misconfigured", True, [])
    assert "authorization" in found.message
    assert not any(part in f"{found!r} {found.__cause__!r}" for part in ("hunter", "nter2", "ü", "xfc"))


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_no_line_of_the_log_tells_what_was_asked_for_or_answered(
    capsys: pytest.CaptureFixture[str], level: str
) -> None:
    configure_logs("json", level)
    request = GET._replace(path="/customers/ada", query=(("token", "hunter2"),), headers={"X-Token": "hunter3"})
    async with http_server(says(b'"hunter4"', **{"X-Session": "hunter5"})) as server:
        assert await fetch(connection(server.base_url), request) == "hunter4"
    written = capsys.readouterr().err
    assert not [word for word in ("ada", "hunter") if word in written], written


async def test_what_a_server_sets_as_a_cookie_is_not_sent_with_the_next_request() -> None:
    async with http_server(says(b"1", **{"Set-Cookie": "session=of-somebody-else; Path=/"})) as server:
        fetcher = HttpFetcher(SystemResolver(), HttpCache(0))
        try:
            for _ in range(2):
                await fetcher.fetch("crm", connection(server.base_url), GET, HttpLimits(5, 1000))
        finally:
            await fetcher.close()
        assert len(server.requests) == 2
        assert "cookie" not in server.headers()


async def test_a_path_outside_of_the_allowed_ones_is_refused() -> None:
    async with http_server(says(b"1")) as server:
        to = connection(server.base_url, paths="/customers,/orders/open")
        assert await fetch(to) == 1
        for path in ("/admin", "/customersX", "/orders", "/"):
            assert (await trouble(fetch(to, GET._replace(path=path)))).kind == "NotAllowed"


async def test_a_target_that_no_server_would_take_is_not_sent() -> None:
    async with http_server(says(b"1")) as server:
        found = await trouble(fetch(connection(server.base_url), GET._replace(query=(("q", "x" * 20_000),))))
    assert (found.kind, found.retryable, server.requests) == ("TooLarge", False, [])


async def test_a_method_that_is_not_allowed_is_refused() -> None:
    async with http_server(says(b"1")) as server:
        found = await trouble(fetch(connection(server.base_url), GET._replace(method="POST", body=b"{}")))
    assert found.message == "connection crm: found POST; its operator allows GET"
    assert server.requests == []


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Certificate and key of crm.example, which nobody but its own file vouches for."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=crm.example", "-addext", "subjectAltName=DNS:crm.example"]
    made: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-keyout",
        key,
        "-out",
        cert,
    ]
    subprocess.run([*made, *names], check=True, capture_output=True)
    return cert, key


async def test_the_certificate_must_be_the_names_though_the_address_is_connected_to(
    certificate: tuple[Path, Path],
) -> None:
    cert, key = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    made = HttpServer(answers=[says(b"1")])
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    names = Names(["127.0.0.1"])
    assert await fetch(connection(f"https://crm.example:{port}", ca=str(cert)), resolver=names) == 1
    for other in (connection(f"https://other.example:{port}", ca=str(cert)), connection(f"https://crm.example:{port}")):
        assert (await trouble(fetch(other, resolver=names))).kind == "Unavailable"
    server.close()


# --- how much and how long --------------------------------------------------------------------------------------------


async def test_an_answer_over_the_limit_is_not_read_to_its_end() -> None:
    endless = [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", *[b" " * 60_000] * 1000]
    async with http_server(drips(endless, 0)) as server:
        found = await trouble(fetch(connection(server.base_url), max_bytes=100_000))
    assert (found.kind, found.retryable) == ("TooLarge", False)


async def test_the_connections_limit_holds_where_the_authors_is_higher() -> None:
    async with http_server(says(b'"' + b"x" * 500 + b'"')) as server:
        found = await trouble(fetch(connection(server.base_url, max_bytes=100), max_bytes=10_000))
    assert found.kind == "TooLarge"


async def test_a_packed_answer_is_unpacked() -> None:
    async with http_server(says(gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")) as server:
        assert await fetch(connection(server.base_url)) == {"a": 1}


async def test_a_bomb_is_not_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(b" " * 200_000_000, compresslevel=9)
    async with http_server(says(bomb, Content_Encoding="gzip")) as server:
        began = time.process_time()
        found = await trouble(fetch(connection(server.base_url), max_bytes=100_000))
    assert found.kind == "TooLarge"
    assert time.process_time() - began < 1, "unpacking it all would take longer"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_packing_that_was_not_asked_for_is_refused(encoding: str) -> None:
    async with http_server(says(b"1", Content_Encoding=encoding)) as server:
        assert (await trouble(fetch(connection(server.base_url)))).kind == "Unreadable"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"H"] * 1000,
        [b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n"] * 1000],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", *[b" "] * 1000],
    ],
    ids=["status", "headers", "body"],
)
async def test_a_slow_drip_ends_with_the_whole_requests_time(pieces: list[bytes]) -> None:
    async with http_server(drips(pieces, 0.05)) as server:
        began = time.monotonic()
        found = await trouble(fetch(connection(server.base_url), seconds=0.5))
    assert (found.kind, found.retryable) == ("Timeout", True)
    assert time.monotonic() - began < 5


async def test_the_connections_time_holds_where_the_authors_is_longer() -> None:
    async with http_server(drips([b"H"] * 1000, 0.05)) as server:
        assert "0.3 s" in (await trouble(fetch(connection(server.base_url, timeout=0.3), seconds=60))).message


# --- answers that are used again --------------------------------------------------------------------------------------


Get = Callable[..., Awaitable[Any]]


def caching(server: HttpServer, clock: Clock, max_bytes: int = 100_000) -> tuple[HttpFetcher, Get]:
    fetcher = HttpFetcher(SystemResolver(), HttpCache(max_bytes), clock)
    to = connection(server.base_url)

    async def get(path: str = "/a", cache: float | None = 60) -> Any:
        return await fetcher.fetch("crm", to, GET._replace(path=path), HttpLimits(5, 10_000, cache))

    return fetcher, get


async def test_an_answer_is_used_again_until_its_time_is_over() -> None:
    async with http_server(says(b"1"), says(b"2"), says(b"3")) as server:
        clock = Clock()
        fetcher, get = caching(server, clock)
        assert [await get(), await get(), await get("/b"), await get()] == [1, 1, 2, 1]
        clock.now = 61
        assert [await get(), await get(cache=None)] == [3, 3]
        assert len(server.requests) == 4
        await fetcher.close()


async def test_an_old_answer_is_asked_about_by_its_etag() -> None:
    async with http_server(
        says(b'{"a": 1}', ETag='"v1"'), says(b"", "304 Not Modified"), says(b"2", ETag='"v2"')
    ) as server:
        clock = Clock()
        fetcher, get = caching(server, clock)
        assert await get() == {"a": 1}
        clock.now = 61
        assert [await get(), await get()] == [{"a": 1}, {"a": 1}], "not modified, and good for another while"
        assert server.headers()["if-none-match"] == '"v1"'
        clock.now = 122
        assert await get() == 2
        await fetcher.close()
    assert len(server.requests) == 3


async def test_what_is_kept_is_bounded() -> None:
    async with http_server(says(b'"' + b"x" * 2000 + b'"')) as server:
        cache = HttpCache(10_000)
        fetcher = HttpFetcher(SystemResolver(), cache, Clock())
        for number in range(20):
            path = f"/{number}"
            await fetcher.fetch("crm", connection(server.base_url), GET._replace(path=path), HttpLimits(5, 10_000, 60))
            assert cache.size <= 10_000
        await fetcher.close()
