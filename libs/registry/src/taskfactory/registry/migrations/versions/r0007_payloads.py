"""For payloads that are too large for Temporal: kept here, referred to there."""

from typing import Final

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES: Final = ""


def upgrade() -> None:
    """Add the tables."""
    if _TABLES:
        op.execute(_TABLES)
