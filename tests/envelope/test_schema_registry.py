"""The registry's client: what is kept, what makes a record invalid, and what is only a matter of time."""

import asyncio
import base64
import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from taskfactory.envelope import EventEnvelope, InvalidCode, InvalidEnvelope, decode, encode, read_avro
from taskfactory.envelope.envelope_record import shipped
from taskfactory.envelope.schema_registry import (
    MAX_REFERENCES,
    UNKNOWN_SECONDS,
    RegistryConfig,
    RegistryUnavailable,
    SchemaRegistry,
)
from tests.envelope.fake_registry import FakeRegistry, fake_registry

PING = EventEnvelope(id="1", source="/shop", type="com.shop.ping", data={"n": 1})
VALUE = encode(PING, "confluent", schema_id=7).value


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as fake:
        fake.schema(7, shipped()[0])
        yield fake


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def code_of(registry: SchemaRegistry, schema_id: int) -> InvalidCode:
    with pytest.raises(InvalidEnvelope) as refused:
        await registry.fetch(schema_id)
    return refused.value.code


async def test_a_record_is_read_with_the_schema_that_it_names(fake: FakeRegistry) -> None:
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        assert await registry.read(lambda: decode(VALUE, [], None, registry)) == PING
        assert decode(VALUE, [], None, registry) == PING
    assert fake.asked == ["/schemas/ids/7"]


@pytest.mark.parametrize("base", ["/apis/ccompat/v7", "/apis/ccompat/v7/"])
async def test_the_base_url_may_have_a_path(base: str) -> None:
    with fake_registry("/apis/ccompat/v7") as fake:
        fake.schema(7, '"string"')
        async with SchemaRegistry(RegistryConfig(fake.url.removesuffix("/apis/ccompat/v7") + base)) as registry:
            assert (await registry.fetch(7)).name is None


async def test_many_who_need_one_schema_make_one_request(fake: FakeRegistry) -> None:
    fake.hold.clear()
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        readers = [asyncio.create_task(registry.read(lambda: decode(VALUE, [], None, registry))) for _ in range(50)]
        assert await asyncio.to_thread(fake.arrived.wait, 20)
        readers[0].cancel()  # the first one asked, and its leaving must not take the answer from the others
        fake.hold.set()
        assert await asyncio.gather(*readers[1:]) == [PING] * 49
    assert fake.asked == ["/schemas/ids/7"]


async def test_an_unknown_id_is_invalid_and_asked_for_again_a_little_later(fake: FakeRegistry) -> None:
    clock = Clock()
    async with SchemaRegistry(RegistryConfig(fake.url), clock=clock) as registry:
        assert await code_of(registry, 8) == InvalidCode.UNKNOWN_SCHEMA
        fake.schema(8, '"string"')
        clock.now += UNKNOWN_SECONDS - 1
        assert await code_of(registry, 8) == InvalidCode.UNKNOWN_SCHEMA
        assert fake.asked == ["/schemas/ids/8"]
        clock.now += 1
        await registry.fetch(8)
    assert len(fake.asked) == 2


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ("{}", "JSON"),
        ("syntax = 'proto3';", "PROTOBUF"),
        ("{}", "AVRO"),
        ('{"type": "array", "items": "null"}', "AVRO"),
    ],
)
async def test_what_is_not_avro_that_can_be_read_is_invalid_for_good(
    fake: FakeRegistry, schema: str, kind: str
) -> None:
    fake.schema(9, schema, schemaType=kind)
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        for _ in range(2):
            assert await code_of(registry, 9) == InvalidCode.UNSUPPORTED_FORMAT
    assert fake.asked == ["/schemas/ids/9"]


@pytest.mark.parametrize(
    "answer",
    [
        *(
            (status, {"error_code": status * 100, "message": "no"})
            for status in (301, 400, 401, 403, 408, 429, 500, 503)
        ),
        (404, b"<html>no such page</html>"),
        (404, {"error_code": 404, "message": "no such path"}),
        (200, b"<html>hello</html>"),
        (200, {"schema": 7}),
        (200, {"schema": '"string"', "references": [{"name": "x"}]}),
    ],
)
async def test_whatever_else_is_answered_is_a_matter_of_time(fake: FakeRegistry, answer: tuple[int, Any]) -> None:
    good = fake.answers["/schemas/ids/7"]
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        fake.answers["/schemas/ids/7"] = answer
        with pytest.raises(RegistryUnavailable, match="The schema registry answers"):
            await registry.fetch(7)
        fake.answers["/schemas/ids/7"] = good
        await registry.fetch(7)


async def test_a_registry_that_is_away_or_silent_is_a_matter_of_time(fake: FakeRegistry) -> None:
    async with SchemaRegistry(RegistryConfig("http://127.0.0.1:1")) as registry:
        with pytest.raises(RegistryUnavailable, match="does not answer: ConnectError"):
            await registry.fetch(7)
    fake.hold.clear()
    async with SchemaRegistry(RegistryConfig(fake.url, timeout=0.2)) as registry:
        with pytest.raises(RegistryUnavailable, match="does not answer: ReadTimeout"):
            await registry.fetch(7)
        fake.hold.set()
        await registry.fetch(7)


async def test_what_was_fetched_is_kept_until_others_need_the_room(fake: FakeRegistry) -> None:
    for schema_id in (8, 9):
        fake.schema(schema_id, '"string"')
    async with SchemaRegistry(RegistryConfig(fake.url, capacity=2)) as registry:
        for schema_id in (7, 8, 7, 9, 7):
            await registry.fetch(schema_id)
        assert registry.get(8) is None
        assert registry.get(9) is not None
    assert fake.asked == [f"/schemas/ids/{schema_id}" for schema_id in (7, 8, 9)]


def record(name: str, *types: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": t} for n, t in enumerate(types)]}


async def test_schemas_that_use_others_are_put_together(fake: FakeRegistry) -> None:
    money = {"name": "io.Money", "subject": "money/x", "version": 1}
    line = {"name": "io.Line", "subject": "line", "version": 3}
    fake.version("money%2Fx", 1, record("io.Money", "int"))
    fake.version("line", 3, record("io.Line", "io.Money"), references=[money])
    fake.schema(8, record("io.Order", "io.Line", "io.Money"), references=[line, money])
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        value = await registry.read(lambda: read_avro(b"\0\0\0\0\x08\2\4", registry))
    assert value == {"f0": {"f0": {"f0": 1}}, "f1": {"f0": 2}}
    assert len(fake.asked) == 3


async def test_a_missing_reference_is_an_unknown_schema(fake: FakeRegistry) -> None:
    fake.schema(8, record("io.Order", "io.Line"), references=[{"name": "io.Line", "subject": "line", "version": 3}])
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        assert await code_of(registry, 8) == InvalidCode.UNKNOWN_SCHEMA


async def test_references_in_a_circle_or_without_end_are_refused(fake: FakeRegistry) -> None:
    def reference(number: int) -> dict[str, Any]:
        return {"name": f"R{number}", "subject": "r", "version": number}

    fake.version("r", 0, record("R0", "R0"), references=[reference(0)])
    fake.schema(8, '"R0"', references=[reference(0)])
    for number in range(1, MAX_REFERENCES + 2):
        fake.version("r", number, record(f"R{number}", "int"))
    fake.schema(9, '"R1"', references=[reference(number) for number in range(1, MAX_REFERENCES + 2)])
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        assert await code_of(registry, 8) == InvalidCode.UNSUPPORTED_FORMAT
        assert await code_of(registry, 9) == InvalidCode.UNSUPPORTED_FORMAT
    assert len(fake.asked) < 200


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ({}, None),
        ({"token": "t"}, "Bearer t"),
        ({"user": "ü", "password": "p:q"}, "Basic " + base64.b64encode("ü:p:q".encode()).decode()),
    ],
)
async def test_the_login_is_sent(fake: FakeRegistry, login: dict[str, str], expected: str | None) -> None:
    async with SchemaRegistry(RegistryConfig(fake.url, **login)) as registry:  # type: ignore[arg-type]
        await registry.fetch(7)
    assert fake.headers.get("authorization") == expected


@pytest.mark.parametrize(
    "config",
    [
        {"url": "registry:8081"},
        {"url": "ftp://registry"},
        {"url": "http://user:secret@registry"},
        {"url": "http://registry", "token": "secret", "user": "u"},
        {"url": "http://registry", "capacity": 1},
    ],
)
def test_a_configuration_that_cannot_work_is_refused_without_its_secrets(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="schema registry") as refused:
        RegistryConfig(**config)
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(RegistryConfig("http://registry", token="secret"))


def _certificate(folder: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate for 127.0.0.1 and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(paths[0]), str(paths[1])


async def test_tls_takes_both_sides_certificates(tmp_path: Path) -> None:
    server, client = _certificate(tmp_path, "server"), _certificate(tmp_path, "client")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client[0])
    context.load_cert_chain(*server)
    context.verify_mode = ssl.CERT_REQUIRED
    with fake_registry(tls=context) as fake:
        fake.schema(7, json.dumps("string"))
        mutual = RegistryConfig(fake.url, ca_file=server[0], cert_file=client[0], key_file=client[1])
        async with SchemaRegistry(mutual) as registry:
            await registry.fetch(7)
        for missing in (RegistryConfig(fake.url, ca_file=server[0]), RegistryConfig(fake.url)):
            async with SchemaRegistry(missing) as registry:
                with pytest.raises(RegistryUnavailable):
                    await registry.fetch(7)
