"""For context sources: what they gave to each run, and which runs still wait for it."""

from typing import Final

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_AWAITS: Final = """
ALTER TABLE activity_runs ADD COLUMN awaits_context boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN activity_runs.awaits_context IS 'claimed, and its tasks are planned once its context is fetched';
"""

_CONTEXT: Final = """
CREATE TABLE run_context (
    run_id     text NOT NULL,
    name       text NOT NULL,
    position   integer NOT NULL,
    type       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('given', 'fallback', 'failed')),
    value      json,
    secret     json NOT NULL,
    error      json,
    at         timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, name, started_at),
    CHECK ((state = 'given') = (error IS NULL))
) PARTITION BY RANGE (started_at);
COMMENT ON TABLE run_context IS 'the context values of runs, secrets included: what is shown of them is masked';
COMMENT ON COLUMN run_context.secret IS 'paths within the value that are never shown';
COMMENT ON COLUMN run_context.started_at IS 'the run''s, so that both are in the same month and expire together';
CREATE TABLE run_context_default PARTITION OF run_context DEFAULT;

DO $$
DECLARE
    month record;
BEGIN
    FOR month IN
        SELECT child.relname AS name, pg_get_expr(child.relpartbound, child.oid) AS bounds
        FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = CAST('activity_runs' AS regclass) AND child.relname <> 'activity_runs_default'
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF run_context %s',
                       replace(month.name, 'activity_runs', 'run_context'), month.bounds);
    END LOOP;
END
$$;
"""


def upgrade() -> None:
    """Add the column and the table, with a partition for each month that runs have one for."""
    op.execute(_AWAITS)
    op.execute(_CONTEXT)
