"""For schedules: what became of every tick."""

from typing import Final

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES: Final = ""


def upgrade() -> None:
    """Add the tables."""
    if _TABLES:
        op.execute(_TABLES)
