"""For people who change definitions: who did what and why, shadow versions, deleted definitions."""

from typing import Final

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AUDIT_TRAIL: Final = """
CREATE TABLE audit_trail (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    actor      text NOT NULL,
    action     text NOT NULL,
    resource   text NOT NULL,
    name       text NOT NULL,
    reason     text,
    request_id text,
    detail     json NOT NULL
);
CREATE INDEX audit_trail_of_resource ON audit_trail (resource, name, number);
CREATE INDEX audit_trail_of_actor ON audit_trail (actor, number);
COMMENT ON TABLE audit_trail IS 'what people and programs changed; append-only: the database refuses to alter a line';

CREATE FUNCTION audit_trail_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END
$$;
CREATE TRIGGER audit_trail_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_trail
    FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_is_append_only();
"""

_LIFECYCLE: Final = """
ALTER TABLE activity_definitions
    ADD COLUMN shadow_version integer,
    ADD COLUMN deleted_at timestamptz,
    ADD CHECK (deleted_at IS NULL OR NOT enabled AND NOT paused AND shadow_version IS NULL),
    ADD CHECK (shadow_version >= version);
COMMENT ON COLUMN activity_definitions.enabled IS 'whether it is in force: a version that takes events is active';
COMMENT ON COLUMN activity_definitions.shadow_version IS 'asked beside the active one; the same: none was active yet';

ALTER TABLE activity_definition_versions ADD COLUMN reason text;
CREATE FUNCTION definition_versions_are_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'versions of definitions are immutable';
END
$$;
CREATE TRIGGER definition_versions_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON activity_definition_versions
    FOR EACH STATEMENT EXECUTE FUNCTION definition_versions_are_immutable();

ALTER TABLE definition_activations
    ADD COLUMN shadow_version integer,
    DROP CONSTRAINT definition_activations_state_check,
    ADD CONSTRAINT definition_activations_state_check CHECK (state IN ('enabled', 'paused', 'disabled', 'deleted'));

CREATE OR REPLACE FUNCTION definitions_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_at bigint;
BEGIN
    -- An INSERT that updates instead fires both triggers, each with the rows that are its own.
    IF NOT EXISTS (SELECT FROM changed) THEN
        RETURN NULL;
    END IF;
    UPDATE definitions_revision SET revision = revision + 1 RETURNING revision INTO now_at;
    INSERT INTO definition_activations
        (definition_id, revision, version, shadow_version, state, active_since, by, reason)
    SELECT id, now_at, version, shadow_version,
           CASE WHEN deleted_at IS NOT NULL THEN 'deleted' WHEN NOT enabled THEN 'disabled'
                WHEN paused THEN 'paused' ELSE 'enabled' END,
           active_since, updated_by, reason
    FROM changed;
    PERFORM pg_notify('taskfactory_definitions', now_at::text);
    RETURN NULL;
END
$$;
"""

_SHADOW_MATCHES: Final = """
CREATE TABLE shadow_matches (
    definition_id  uuid NOT NULL,
    version        integer NOT NULL,
    topic          text NOT NULL,
    partition      integer NOT NULL,
    record_offset  bigint NOT NULL,
    verdict        text NOT NULL CHECK (verdict IN ('matched', 'error', 'none')),
    active_version integer,
    active_verdict text NOT NULL CHECK (active_verdict IN ('matched', 'error', 'none')),
    event_source   text NOT NULL,
    event_id       text NOT NULL,
    event_type     text NOT NULL,
    dedupe_key     text,
    same_key       boolean,
    message        text,
    at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (definition_id, version, topic, partition, record_offset)
);
COMMENT ON TABLE shadow_matches IS 'what shadow versions would have done, beside what the active ones did; bounded';
COMMENT ON COLUMN shadow_matches.active_version IS 'NULL: none was in force';
COMMENT ON COLUMN shadow_matches.same_key IS 'NULL: not both of them have a key';
"""


def upgrade() -> None:
    """Add the audit trail, and what definitions live through."""
    op.execute(_AUDIT_TRAIL)
    op.execute(_LIFECYCLE)
    op.execute(_SHADOW_MATCHES)
