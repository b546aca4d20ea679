"""For payloads that are too large for Temporal: kept here, referred to there."""

from typing import Final

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES: Final = """
CREATE TABLE payloads (
    digest    bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    body      bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE payloads IS 'what was too large for Temporal, under the SHA-256 of its bytes';
COMMENT ON COLUMN payloads.stored_at IS 'when it was last stored, to within a day; the old are dropped';
CREATE INDEX payloads_by_age ON payloads (stored_at);
"""


def upgrade() -> None:
    """Add the tables."""
    op.execute(_TABLES)
