"""For the Admin API: keys, answers to requests that may be repeated, and runs found by what people have at hand."""

from typing import Final

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_API_KEYS: Final = """
CREATE TABLE api_keys (
    id           text PRIMARY KEY,
    name         text NOT NULL,
    digest       bytea NOT NULL CHECK (octet_length(digest) = 32),
    roles        text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   text NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    revoked_by   text,
    last_used_at timestamptz
);
CREATE INDEX api_keys_by_age ON api_keys (created_at, id);
-- Lines of the audit trail name keys by their names, so a name stands for one key at a time.
CREATE UNIQUE INDEX api_keys_in_force ON api_keys (name) WHERE revoked_at IS NULL;
COMMENT ON COLUMN api_keys.digest IS 'SHA-256 of the secret, which has 256 bits of its own; the secret is kept nowhere';
"""

_IDEMPOTENCY_KEYS: Final = """
CREATE TABLE idempotency_keys (
    actor      text NOT NULL,
    key        text NOT NULL,
    request    bytea NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    claim      uuid NOT NULL,
    status     integer,
    headers    json,
    body       bytea,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (claimed_at);
COMMENT ON COLUMN idempotency_keys.status IS 'of the answer; NULL while the request is being answered';
"""

# Both texts are the readable ones, of at most 200 characters; the partial indexes are for what is rare.
_RUN_FILTERS: Final = """
CREATE INDEX activity_runs_by_event_id ON activity_runs (event_id, started_at, run_id);
CREATE INDEX activity_runs_by_dedupe_key ON activity_runs (dedupe_key, started_at, run_id);
CREATE INDEX activity_runs_of_ticks ON activity_runs (started_at, run_id)
    WHERE event_type = 'io.taskfactory.schedule.tick';
CREATE INDEX activity_runs_cancelled ON activity_runs (started_at, run_id) WHERE state = 'cancelled';
"""


def upgrade() -> None:
    """Add the tables."""
    for statements in (_API_KEYS, _IDEMPOTENCY_KEYS, _RUN_FILTERS):
        op.execute(statements)
