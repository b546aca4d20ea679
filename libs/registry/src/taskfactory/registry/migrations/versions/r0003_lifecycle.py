"""For people who change definitions: who did what and why."""

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


def upgrade() -> None:
    """Add the audit trail."""
    op.execute(_AUDIT_TRAIL)
