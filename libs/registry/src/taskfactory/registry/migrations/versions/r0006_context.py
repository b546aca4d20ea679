"""For context sources: what they gave to each run."""

from typing import Final

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES: Final = ""


def upgrade() -> None:
    """Add the tables."""
    if _TABLES:
        op.execute(_TABLES)
