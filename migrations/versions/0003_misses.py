"""Count how often in a row a flow's provider could not be read, so that ordinary waiting does not lengthen that wait.

A column with a constant default: no rewrite, a lock of a moment. Down: drop it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE flows ADD COLUMN misses integer NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE flows DROP COLUMN misses")
