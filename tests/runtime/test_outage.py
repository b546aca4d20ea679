"""Servers that are away make lines in the log, not floods."""

import logging
import socket

import pytest
from structlog.testing import capture_logs

from taskfactory.runtime import Outage, TemporalSettings, connect
from taskfactory.runtime.logs import LIBRDKAFKA_FORM, REPEAT_SECONDS, Reconnecting
from taskfactory.runtime.temporal import connection_error


def librdkafka(facility: str) -> logging.LogRecord:
    args = (facility, "rdkafka#consumer-1", "broker:9092: Connect failed")
    return logging.LogRecord("librdkafka", logging.ERROR, "", 0, LIBRDKAFKA_FORM, args, None)


def test_going_away_and_coming_back_are_one_line_each() -> None:
    outage = Outage("temporal", "here:1", "TASKFACTORY_TEMPORAL_ADDRESS")
    with capture_logs() as lines:
        outage.back()
        for _ in range(2):
            outage.away("refused\nand much more")
            outage.away("refused again")
            outage.back()
            outage.back()
    assert [line["event"] for line in lines] == ["dependency_unreachable", "dependency_back"] * 2
    assert (lines[0]["address"], lines[0]["error"]) == ("here:1", "refused")
    assert "TASKFACTORY_TEMPORAL_ADDRESS" in lines[0]["hint"]
    assert "taskfactory dev up" in lines[0]["hint"]


def test_lines_about_connections_pass_once_a_minute_and_all_others_always() -> None:
    now = [0.0]
    reconnecting = Reconnecting(lambda: now[0])
    assert [reconnecting.filter(librdkafka("FAIL")) for _ in range(3)] == [True, False, False]
    assert not reconnecting.filter(librdkafka("ERROR"))
    assert reconnecting.filter(librdkafka("MAXPOLL"))
    now[0] += REPEAT_SECONDS
    assert reconnecting.filter(librdkafka("FAIL"))


def test_at_level_debug_every_line_is_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    reconnecting = Reconnecting()
    assert all(reconnecting.filter(librdkafka("FAIL")) for _ in range(3))


async def test_why_temporal_can_not_be_reached_is_a_few_words() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(RuntimeError) as failed:
            await connect(TemporalSettings(temporal_address=address))
    assert connection_error(failed.value) == "Connection refused"
    assert connection_error(RuntimeError("first\nsecond")) == "first"
