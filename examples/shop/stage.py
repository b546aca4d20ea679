"""Where one demo run takes place: names that no other run uses, on a stack that others may use too."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from examples.shop import journal
from taskfactory.dev import Endpoints

ROOT: Final = Path(__file__).parents[2]
"""The checkout: `examples.shop.handlers` is imported from here."""
DEFINITIONS: Final = Path(__file__).with_name("definitions")
QUEUE: Final = "warehouse"
"""What the definitions name; each demo run has a queue of its own instead."""
DATABASE_PREFIX: Final = "taskfactory_demo_"
PARTITIONS: Final = 3


class DemoFailed(Exception):  # noqa: N818 -- it says what happened to the demo
    """The demo cannot go on; the message says why, and where to look."""


def orchestrator_queue(token: str) -> str:
    """Where the runs of the demo with this token are executed."""
    return f"shop-{token}"


def worker_queue(token: str) -> str:
    """Where the tasks of the demo with this token are done."""
    return f"{QUEUE}-{token}"


@dataclass(frozen=True)
class Stage:
    """Addresses and names of one run."""

    endpoints: Endpoints
    folder: Path
    """Logs and journal of this run."""
    token: str
    """Part of every name and every event's id."""

    @property
    def events_topic(self) -> str:
        """What the demo sends to."""
        return f"shop-{self.token}.events"

    @property
    def outcomes_topic(self) -> str:
        """Where the demo looks for outcomes."""
        return f"shop-{self.token}.outcomes"

    @property
    def dlq_topic(self) -> str:
        """Where the demo looks for dead letters."""
        return f"shop-{self.token}.dlq"

    @property
    def group(self) -> str:
        """The consumer group of the ingress."""
        return f"shop-{self.token}"

    @property
    def queue(self) -> str:
        """Where this run's tasks are done."""
        return worker_queue(self.token)

    @property
    def definitions(self) -> Path:
        """The shop's definitions, with this run's queue in them."""
        return self.folder / "definitions"

    @property
    def database(self) -> str:
        """Name of this run's database."""
        return f"{DATABASE_PREFIX}{self.token}"

    @property
    def database_url(self) -> str:
        """Where this run's database is."""
        server, _, _ = self.endpoints.database_url.rpartition("/")
        return f"{server}/{self.database}"

    @property
    def runs_url(self) -> str:
        """This run's workflows in Temporal's UI."""
        query = urlencode({"query": f'`TaskQueue`="{orchestrator_queue(self.token)}"'}, quote_via=quote)
        return f"{self.endpoints.temporal_ui_url}/namespaces/{self.endpoints.temporal_namespace}/workflows?{query}"

    @property
    def journal(self) -> Path:
        """What the handlers write their effects down in."""
        return self.folder / "journal.jsonl"

    def env(self) -> dict[str, str]:
        """The environment of every process of this run. Settings from outside would make the numbers depend on them."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("TASKFACTORY_")}
        return {
            **outside,
            **self.endpoints.env(),
            "TASKFACTORY_DATABASE_URL": self.database_url,
            "TASKFACTORY_KAFKA_TOPICS": self.events_topic,
            "TASKFACTORY_KAFKA_GROUP_ID": self.group,
            "TASKFACTORY_OUTCOMES_TOPIC": self.outcomes_topic,
            "TASKFACTORY_DLQ_TOPIC": self.dlq_topic,
            "TASKFACTORY_ORCHESTRATOR_QUEUE": orchestrator_queue(self.token),
            "TASKFACTORY_METRICS_HOST": "127.0.0.1",
            "TASKFACTORY_API_PORT": "0",
            "TASKFACTORY_METRICS_PORT": "0",
            "TASKFACTORY_LOG_FORMAT": "json",
            journal.VARIABLE: str(self.journal),
        }
