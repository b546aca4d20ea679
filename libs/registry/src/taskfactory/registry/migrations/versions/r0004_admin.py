"""For the Admin API: keys, and answers to requests that may be repeated."""

from typing import Final

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES: Final = ""

# Rows are found by what people have at hand. Both texts are the readable ones: at most 200 characters.
_RUN_FILTERS: Final = """
CREATE INDEX activity_runs_by_event_id ON activity_runs (event_id, started_at, run_id);
CREATE INDEX activity_runs_by_dedupe_key ON activity_runs (dedupe_key, started_at, run_id);
CREATE INDEX activity_runs_of_ticks ON activity_runs (started_at, run_id)
    WHERE event_type = 'io.taskfactory.schedule.tick';
CREATE INDEX activity_runs_cancelled ON activity_runs (started_at, run_id) WHERE state = 'cancelled';
"""


def upgrade() -> None:
    """Add the tables."""
    if _TABLES:
        op.execute(_TABLES)
    op.execute(_RUN_FILTERS)
