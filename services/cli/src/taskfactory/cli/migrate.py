"""`taskfactory migrate`: everything that has to be there before the services start. Safe to run again."""

import asyncio

import typer

from taskfactory.cli.database import registry
from taskfactory.cli.kafka import kafka
from taskfactory.cli.kafka_setup import create_topic, prepare_topics
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.temporal import temporal
from taskfactory.cli.temporal_setup import prepare_namespace
from taskfactory.registry import migrate as migrate_database


def migrate() -> None:
    """Prepare the database, Temporal's namespace and the topics.

    Migrates the database to this version, creates the Temporal namespace or sets its retention
    (TASKFACTORY_TEMPORAL_RETENTION), adds the search attributes, and creates the outcomes and dead letter topics, and
    the decisions topic where TASKFACTORY_DECISION_STREAM is on. What is there already is left as it is; run it again at
    any time, and with every new version.
    """
    settings = CliSettings()
    _database(settings)
    asyncio.run(_temporal(settings))
    _topics(settings)


def _database(settings: CliSettings) -> None:
    with registry(settings) as engine:
        revision = migrate_database(engine)
    typer.echo(f"database: schema is at revision {revision}")


async def _temporal(settings: CliSettings) -> None:
    async with temporal(settings, prepared=False) as client:
        for line in await prepare_namespace(client, settings.retention):
            typer.echo(f"temporal: {line}")


def _topics(settings: CliSettings) -> None:
    with kafka(settings) as admin:
        for line in prepare_topics(admin, settings.outcomes_topic, settings.dlq_topic, settings.kafka_topics):
            typer.echo(f"kafka: {line}")
        if settings.decision_stream:
            typer.echo(f"kafka: {create_topic(admin, settings.decisions_topic, {})}")
