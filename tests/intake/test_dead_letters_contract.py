"""What every dead letter sink promises, asked of the fake that the unit tests use and of the real one."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from taskfactory.ingress.settings import IngressSettings
from taskfactory.intake import DeadLetter, DeadLetterSink, KafkaDeadLetters, Unavailable
from tests.ingress.conftest import Site, headers_of
from tests.ingress.fakes import FakeDeadLetters, record, unavailable


def letter(offset: int, value: bytes | None = b"\xff\x00 not an event") -> DeadLetter:
    return DeadLetter(record(offset, value, headers=(("trace", b"\x01"),)), "malformed_json", "no JSON")


class DeadLettersContract:
    @pytest.fixture
    def sink(self) -> DeadLetterSink:
        raise NotImplementedError

    @pytest.fixture
    def absent(self) -> DeadLetterSink:
        """A sink whose topic can't be reached."""
        raise NotImplementedError

    async def written(self, count: int) -> list[tuple[bytes | None, bytes | None]]:
        """Id and value of what the sink keeps."""
        raise NotImplementedError

    async def test_a_letter_is_kept_with_its_original_bytes_once_write_returns(self, sink: DeadLetterSink) -> None:
        await sink.write(letter(1))
        await sink.write(letter(2, None))
        assert await self.written(2) == [(b"events/0/1", b"\xff\x00 not an event"), (b"events/0/2", None)]

    async def test_a_sink_that_is_away_says_so(self, absent: DeadLetterSink) -> None:
        with pytest.raises(Unavailable):
            await absent.write(letter(1))


class TestFakeDeadLetters(DeadLettersContract):
    @pytest.fixture
    def sink(self) -> DeadLetterSink:
        self.fake = FakeDeadLetters()
        return self.fake

    @pytest.fixture
    def absent(self) -> DeadLetterSink:
        fake = FakeDeadLetters()
        fake.fail_with(unavailable())
        return fake

    async def written(self, count: int) -> list[tuple[bytes | None, bytes | None]]:
        return [(letter.id.encode(), letter.record.value) for letter in self.fake.letters[:count]]


class TestKafkaDeadLetters(DeadLettersContract):
    @pytest.fixture
    def sink(self, site: Site) -> Iterator[DeadLetterSink]:
        self.site = site
        servers = site.stack.endpoints.kafka_bootstrap_servers
        sink = KafkaDeadLetters(IngressSettings(kafka_bootstrap_servers=servers).librdkafka(), site.dlq)
        yield sink
        sink.close(5)

    @pytest.fixture
    def absent(self) -> Iterator[DeadLetterSink]:
        config = IngressSettings(kafka_bootstrap_servers="127.0.0.1:1").librdkafka()
        sink = KafkaDeadLetters({**config, "message.timeout.ms": "200"}, "dlq")
        yield sink
        sink.close(0)

    async def written(self, count: int) -> list[tuple[bytes | None, bytes | None]]:
        return [
            (headers_of(message)["taskfactory_dlq_id"], message.value())
            for message in await self.site.dead_letters(count)
        ]

    async def test_key_and_headers_are_kept(self, sink: DeadLetterSink) -> None:
        await sink.write(letter(1))
        [message] = await self.site.dead_letters(1)
        assert message.key() == b"key"
        assert message.headers() == letter(1).headers()

    async def test_what_the_topic_finds_too_large_is_kept_without_its_value(self, sink: DeadLetterSink) -> None:
        await sink.write(letter(1, os.urandom(1_500_000)))
        await sink.write(letter(2, b"small"))
        large, small = await self.site.dead_letters(2)
        assert large.value() is None
        assert headers_of(large)["taskfactory_dlq_truncated"] == b"true"
        assert headers_of(large)["taskfactory_dlq_offset"] == b"1"
        assert small.value() == b"small"

    async def test_of_what_is_too_large_even_without_its_value_the_reason_and_the_place_are_kept(
        self, sink: DeadLetterSink
    ) -> None:
        large = os.urandom(300_000)
        await sink.write(replace(letter(1), record=record(1, b"small", key=large)))
        await sink.write(replace(letter(2), record=record(2, b"small", headers=(("trace", large),))))
        for message, offset in zip(await self.site.dead_letters(2), (b"1", b"2"), strict=True):
            assert (message.key(), message.value()) == (None, None)
            assert headers_of(message)["taskfactory_dlq_truncated"] == b"true"
            assert headers_of(message)["taskfactory_dlq_offset"] == offset
            assert "trace" not in headers_of(message)
