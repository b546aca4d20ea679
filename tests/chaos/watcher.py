"""Looks at a running test from outside, again and again: committed offsets, outcomes as they come, memory.

What the servers answer is noted; while one of them is away, there is nothing to note.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import psutil  # type: ignore[import-untyped,unused-ignore]  # ships no types
import psycopg
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from taskfactory.envelope import decode
from tests.chaos.books import Sample
from tests.e2e.platform import Platform, headers_of

PERIOD: Final = 0.2
ANSWER_SECONDS: Final = 2.0

ENDED: Final = """
SELECT run_id || '/' || state FROM activity_runs WHERE run_id = ANY(%(things)s)
UNION ALL
SELECT task_id || '/' || state FROM tasks WHERE task_id = ANY(%(things)s)
"""


class Watcher:
    """One thread; what it saw may be read at any time, and is complete after `stop`."""

    def __init__(self, platform: Platform, ingress_pids: Callable[[], Sequence[int]]) -> None:
        """Begin to watch.

        Args:
            platform: whose topics, group and database.
            ingress_pids: the processes whose memory is looked at.
        """
        self.samples: list[Sample] = []
        self.outcomes: list[str] = []
        self.premature: list[str] = []
        self.peak_memory = 0
        self._platform = platform
        self._pids = ingress_pids
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it.

        Raises:
            Exception: what it failed with, which would have left it blind.
        """
        self._stop.set()
        self._thread.join(60)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        bootstrap = self._platform.stack.endpoints.kafka_bootstrap_servers
        servers = {"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": "500", "log_level": "0"}
        group = Consumer({**servers, "group.id": self._platform.group})
        tail = Consumer({**servers, "group.id": "unused", "enable.auto.commit": "false"})
        tail.assign([TopicPartition(self._platform.outcomes_topic, 0, 0)])
        try:
            while not self._stop.wait(PERIOD):
                self._look_at_offsets(group)
                self._look_at_outcomes(tail)
                self._look_at_memory()
            self._look_at_outcomes(tail)
        except BaseException as error:  # noqa: BLE001 -- `stop` raises it
            self._failure = error
        finally:
            group.close()
            tail.close()

    def _look_at_offsets(self, group: Consumer) -> None:
        wanted = [TopicPartition(self._platform.topic, number) for number in range(self._platform.partitions)]
        with suppress(KafkaException):  # the broker is away
            found = group.committed(wanted, timeout=ANSWER_SECONDS)
            committed = {part.partition: part.offset for part in found if part.error is None and part.offset >= 0}
            self.samples.append(Sample(time.time(), committed))

    def _look_at_outcomes(self, tail: Consumer) -> None:
        while messages := [message for message in tail.consume(500, 0.05) if message.error() is None]:
            new = [_outcome_id(message) for message in messages]
            self.outcomes += new
            with suppress(psycopg.OperationalError):  # the database is away: nobody can say what it says
                self.premature += sorted(set(new) - self._ended(new))

    def _ended(self, outcomes: Sequence[str]) -> set[str]:
        things = [outcome.rpartition("/")[0] for outcome in outcomes]
        with psycopg.connect(self._platform.database_url, connect_timeout=2) as connection:
            return {found for (found,) in connection.execute(ENDED, {"things": things})}

    def _look_at_memory(self) -> None:
        for pid in self._pids():
            with suppress(psutil.NoSuchProcess):
                self.peak_memory = max(self.peak_memory, psutil.Process(pid).memory_info().rss)


def _outcome_id(message: Message) -> str:
    return decode(message.value() or b"", headers_of(message), message.key()).id
