"""The registry's first schema: definitions, ledger, runs, tasks.

Plain SQL, because partitions and triggers have no shape in SQLAlchemy that would be easier to read.
"""

from typing import Final

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LEDGER_PARTITIONS: Final = 8

_DEFINITIONS: Final = """
CREATE TABLE activity_definitions (
    id                  uuid PRIMARY KEY,
    name                text NOT NULL UNIQUE,
    description         text,
    enabled             boolean NOT NULL,
    trigger_type        text NOT NULL CHECK (trigger_type IN ('cron', 'event')),
    trigger_config      json NOT NULL,
    context_sources     json NOT NULL,
    task_templates      json NOT NULL,
    dedupe_key_strategy text NOT NULL,
    version             integer NOT NULL CHECK (version > 0),
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    created_by          text NOT NULL
);

CREATE TABLE activity_definition_versions (
    definition_id uuid NOT NULL REFERENCES activity_definitions (id),
    version       integer NOT NULL,
    spec          json NOT NULL,
    outcomes      json NOT NULL,
    digest        bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by    text NOT NULL,
    PRIMARY KEY (definition_id, version)
);

-- One row, so that revisions become visible in the order of their numbers; a sequence's numbers may not.
CREATE TABLE definitions_revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint NOT NULL
);
INSERT INTO definitions_revision (revision) VALUES (0);

CREATE FUNCTION definitions_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_at bigint;
BEGIN
    UPDATE definitions_revision SET revision = revision + 1 RETURNING revision INTO now_at;
    PERFORM pg_notify('taskfactory_definitions', now_at::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER definitions_changed AFTER INSERT OR UPDATE OR DELETE ON activity_definitions
    FOR EACH STATEMENT EXECUTE FUNCTION definitions_changed();
"""

_LEDGER: Final = """
CREATE TABLE dedupe_ledger (
    activity_id uuid NOT NULL,
    digest      bytea NOT NULL CHECK (octet_length(digest) = 16),
    generation  integer NOT NULL CHECK (generation > 0),
    owner       uuid NOT NULL,
    PRIMARY KEY (activity_id, digest, generation)
) PARTITION BY HASH (digest);
"""

_RUNS: Final = """
CREATE TABLE activity_runs (
    run_id           text NOT NULL,
    activity_id      uuid NOT NULL,
    activity_name    text NOT NULL,
    version          integer NOT NULL,
    generation       integer NOT NULL,
    owner            uuid NOT NULL,
    state            text NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'cancelled', 'skipped')),
    error            json,
    dedupe_strategy  text NOT NULL,
    dedupe_key       text NOT NULL,
    trigger          json NOT NULL,
    event_attributes json NOT NULL,
    event_digest     bytea NOT NULL,
    event_source     text NOT NULL,
    event_id         text NOT NULL,
    event_type       text NOT NULL,
    outcomes         json,
    task_count       integer NOT NULL,
    task_counts      json,
    started_at       timestamptz NOT NULL,
    ended_at         timestamptz,
    PRIMARY KEY (run_id, started_at),
    CHECK ((state = 'running') = (ended_at IS NULL))
) PARTITION BY RANGE (started_at);
CREATE INDEX activity_runs_event ON activity_runs (event_digest);
CREATE INDEX activity_runs_newest ON activity_runs (started_at, run_id);
CREATE INDEX activity_runs_by_name ON activity_runs (activity_name, started_at);
CREATE INDEX activity_runs_open ON activity_runs (started_at, run_id) WHERE state = 'running';
CREATE INDEX activity_runs_failed ON activity_runs (started_at, run_id) WHERE state = 'failed';
CREATE TABLE activity_runs_default PARTITION OF activity_runs DEFAULT;
"""

_TASKS: Final = """
CREATE TABLE tasks (
    task_id      text NOT NULL,
    run_id       text NOT NULL,
    position     integer NOT NULL,
    name         text NOT NULL,
    index        integer,
    type         text NOT NULL,
    handler      text NOT NULL,
    queue        text NOT NULL,
    params       json NOT NULL,
    options      json NOT NULL,
    state        text NOT NULL
        CHECK (state IN ('scheduled', 'completed', 'failed', 'cancelled', 'expired', 'skipped')),
    attempts     integer,
    result       json,
    error        json,
    started_at   timestamptz NOT NULL,
    scheduled_at timestamptz,
    ended_at     timestamptz,
    PRIMARY KEY (task_id, started_at),
    CHECK ((state = 'scheduled') = (ended_at IS NULL))
) PARTITION BY RANGE (started_at);
COMMENT ON COLUMN tasks.started_at IS 'the run''s, so that both are in the same month and expire together';
CREATE INDEX tasks_of_run ON tasks (run_id, position);
CREATE INDEX tasks_newest ON tasks (started_at, run_id, position);
CREATE INDEX tasks_open ON tasks (queue, type, scheduled_at) WHERE state = 'scheduled';
CREATE INDEX tasks_failed ON tasks (started_at, run_id, position) WHERE state = 'failed';
CREATE TABLE tasks_default PARTITION OF tasks DEFAULT;
"""

_OPERATION: Final = """
CREATE TABLE task_queues (
    queue         text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('activity', 'workflow')),
    waiting_since timestamptz,
    checked_at    timestamptz NOT NULL,
    PRIMARY KEY (queue, kind)
);

CREATE TABLE reconciler_state (
    name       text PRIMARY KEY,
    watermark  timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE settling_runs (
    run_id text PRIMARY KEY,
    since  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE settling_runs IS 'runs whose end the reconciler writes and publishes: off the list when both is done';
"""


def upgrade() -> None:
    """Create everything."""
    for statements in (_DEFINITIONS, _LEDGER, _RUNS, _TASKS, _OPERATION):
        op.execute(statements)
    for number in range(_LEDGER_PARTITIONS):
        op.execute(
            f"CREATE TABLE dedupe_ledger_{number} PARTITION OF dedupe_ledger "
            f"FOR VALUES WITH (MODULUS {_LEDGER_PARTITIONS}, REMAINDER {number})"
        )
