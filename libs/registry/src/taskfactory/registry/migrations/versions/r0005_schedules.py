"""For schedules: what became of every tick."""

from typing import Final

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES: Final = """
CREATE TABLE schedule_ticks (
    activity_id   uuid NOT NULL,
    tick          text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('scheduled', 'backfill', 'manual')),
    scheduled_for timestamptz,
    manual_key    text,
    version       integer NOT NULL,
    decision      text NOT NULL CHECK (decision IN ('started', 'skipped', 'waiting')),
    reason        text,
    run_id        text,
    open          boolean NOT NULL DEFAULT false,
    late_by       double precision NOT NULL,
    owner         uuid NOT NULL,
    workflow_id   text NOT NULL,
    asked_by      text NOT NULL,
    asked_at      timestamptz NOT NULL,
    decided_at    timestamptz NOT NULL,
    PRIMARY KEY (activity_id, tick, kind),
    CHECK ((kind = 'manual') = (scheduled_for IS NULL)),
    CHECK ((kind = 'manual') = (manual_key IS NOT NULL)),
    CHECK ((decision = 'skipped') = (reason IS NOT NULL)),
    CHECK ((decision = 'started') = (run_id IS NOT NULL)),
    CHECK (decision = 'started' OR NOT open)
);
COMMENT ON TABLE schedule_ticks IS 'what was decided about every tick of a schedule, backfills and triggers included';
COMMENT ON COLUMN schedule_ticks.tick IS 'tick:<nominal time> or manual:<key>, what the run is deduplicated by';
COMMENT ON COLUMN schedule_ticks.open IS 'its run was not seen to end yet';
COMMENT ON COLUMN schedule_ticks.late_by IS 'seconds from the nominal time to the decision';
COMMENT ON COLUMN schedule_ticks.owner IS 'first execution run id of the workflow that decided';
CREATE INDEX schedule_ticks_waiting ON schedule_ticks (activity_id) WHERE decision = 'waiting';
CREATE INDEX schedule_ticks_open ON schedule_ticks (activity_id) WHERE open;
CREATE INDEX schedule_ticks_scheduled ON schedule_ticks (scheduled_for);
CREATE INDEX schedule_ticks_decided ON schedule_ticks USING brin (decided_at);

CREATE INDEX activity_runs_open_of ON activity_runs (activity_id) WHERE state = 'running';
"""


def upgrade() -> None:
    """Add the tables."""
    op.execute(_TABLES)
