"""For ingress and its operators: activations, pauses, released keys, windows, topic mappings, resolved letters."""

from typing import Final

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_WINDOW_PARTITIONS: Final = 8

_ACTIVATIONS: Final = """
ALTER TABLE activity_definitions
    ADD COLUMN paused boolean NOT NULL DEFAULT false,
    ADD COLUMN active_since timestamptz,
    ADD COLUMN updated_by text,
    ADD COLUMN reason text;
UPDATE activity_definitions SET updated_by = created_by, active_since = CASE WHEN enabled THEN created_at END;
ALTER TABLE activity_definitions ALTER COLUMN updated_by SET NOT NULL;
COMMENT ON COLUMN activity_definitions.active_since IS 'last enabled then; older records start nothing by themselves';

CREATE TABLE definition_activations (
    definition_id uuid NOT NULL REFERENCES activity_definitions (id),
    revision      bigint NOT NULL,
    version       integer NOT NULL,
    state         text NOT NULL CHECK (state IN ('enabled', 'paused', 'disabled')),
    active_since  timestamptz,
    at            timestamptz NOT NULL DEFAULT now(),
    by            text NOT NULL,
    reason        text,
    PRIMARY KEY (definition_id, revision)
);
CREATE INDEX definition_activations_newest ON definition_activations (revision);
COMMENT ON TABLE definition_activations IS 'which version was in which state from which revision on; append-only';
INSERT INTO definition_activations (definition_id, revision, version, state, active_since, by)
SELECT id, revision, version, CASE WHEN enabled THEN 'enabled' ELSE 'disabled' END, active_since, updated_by
FROM activity_definitions, definitions_revision;

CREATE FUNCTION definition_activated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT NEW.enabled THEN
        NEW.active_since := NULL;
    ELSIF TG_OP = 'INSERT' OR NOT OLD.enabled THEN
        NEW.active_since := now();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER definition_activated BEFORE INSERT OR UPDATE ON activity_definitions
    FOR EACH ROW EXECUTE FUNCTION definition_activated();

DROP TRIGGER definitions_changed ON activity_definitions;
CREATE OR REPLACE FUNCTION definitions_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_at bigint;
BEGIN
    -- An INSERT that updates instead fires both triggers, each with the rows that are its own.
    IF NOT EXISTS (SELECT FROM changed) THEN
        RETURN NULL;
    END IF;
    UPDATE definitions_revision SET revision = revision + 1 RETURNING revision INTO now_at;
    INSERT INTO definition_activations (definition_id, revision, version, state, active_since, by, reason)
    SELECT id, now_at, version,
           CASE WHEN NOT enabled THEN 'disabled' WHEN paused THEN 'paused' ELSE 'enabled' END,
           active_since, updated_by, reason
    FROM changed;
    PERFORM pg_notify('taskfactory_definitions', now_at::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER definitions_inserted AFTER INSERT ON activity_definitions
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION definitions_changed();
CREATE TRIGGER definitions_updated AFTER UPDATE ON activity_definitions
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION definitions_changed();
"""

_DEDUPE: Final = """
CREATE TABLE dedupe_windows (
    activity_id uuid NOT NULL,
    digest      bytea NOT NULL CHECK (octet_length(digest) = 16),
    generation  integer NOT NULL CHECK (generation > 0),
    number      integer NOT NULL CHECK (number > 0),
    opened_at   timestamptz NOT NULL,
    run_id      text,
    PRIMARY KEY (activity_id, digest, generation, number)
) PARTITION BY HASH (digest);
CREATE INDEX dedupe_windows_by_time ON dedupe_windows (activity_id, digest, opened_at);
CREATE INDEX dedupe_windows_lines ON dedupe_windows (activity_id, digest, opened_at) WHERE run_id IS NULL;
COMMENT ON COLUMN dedupe_windows.opened_at IS 'the time of the event that opened it, not the clock''s';
COMMENT ON COLUMN dedupe_windows.run_id IS 'NULL: a line, drawn by an event that was known before its key had windows';

CREATE TABLE dedupe_releases (
    activity_id uuid NOT NULL,
    digest      bytea NOT NULL CHECK (octet_length(digest) = 16),
    generation  integer NOT NULL CHECK (generation > 1),
    key         json NOT NULL,
    rerun_of    text UNIQUE,
    revision    bigint NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    by          text NOT NULL,
    reason      text,
    PRIMARY KEY (activity_id, digest, generation)
);
CREATE INDEX dedupe_releases_newest ON dedupe_releases (revision) WHERE rerun_of IS NULL;
COMMENT ON TABLE dedupe_releases IS 'generations that people opened for a key';
COMMENT ON COLUMN dedupe_releases.key IS 'the key''s readable parts';
COMMENT ON COLUMN dedupe_releases.rerun_of IS 'the failed run it is for alone; NULL: for whichever event comes next';
"""

_TOPICS: Final = """
CREATE TABLE topic_mappings (
    topic      text NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    revision   bigint NOT NULL,
    spec       json,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    PRIMARY KEY (topic, version)
);
COMMENT ON COLUMN topic_mappings.spec IS 'NULL: removed in this version; the highest version is in force';

CREATE TABLE ingress_revisions (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id    text NOT NULL,
    topic       text NOT NULL,
    partition   integer NOT NULL,
    from_offset bigint NOT NULL,
    revision    bigint NOT NULL,
    member      text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ingress_revisions_of_partition ON ingress_revisions (group_id, topic, partition, number);
COMMENT ON TABLE ingress_revisions IS 'which revision decided about a partition''s records from which offset on';
"""

_DEAD_LETTERS: Final = """
CREATE TABLE dead_letter_resolutions (
    letter_key  text NOT NULL,
    attempts   integer NOT NULL CHECK (attempts > 0),
    resolution text NOT NULL CHECK (resolution IN ('redriven', 'discarded')),
    reason     text,
    at         timestamptz NOT NULL DEFAULT now(),
    by         text NOT NULL,
    PRIMARY KEY (letter_key, attempts)
);
COMMENT ON TABLE dead_letter_resolutions IS 'letters that are off the list; the letters themselves stay on their topic';
"""


def upgrade() -> None:
    """Add tables, columns and triggers."""
    for statements in (_ACTIVATIONS, _DEDUPE, _TOPICS, _DEAD_LETTERS):
        op.execute(statements)
    for number in range(_WINDOW_PARTITIONS):
        op.execute(
            f"CREATE TABLE dedupe_windows_{number} PARTITION OF dedupe_windows "
            f"FOR VALUES WITH (MODULUS {_WINDOW_PARTITIONS}, REMAINDER {number})"
        )
