"""Give comparisons their records and findings, and breaks the moment they are about.

New tables, columns without a rewrite (locks of a moment, given up after the lock timeout), one index built
concurrently: nobody who writes waits. Down: drop them.
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).with_name("0002_reconciliation.sql")


def upgrade() -> None:
    cursor = op.get_bind().connection.cursor()
    cursor.execute(SQL.read_text(encoding="utf-8"))
    cursor.close()
    with op.get_context().autocommit_block():
        # Left invalid by a build that was cut off: made anew.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_breaks_about")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_breaks_about ON breaks (provider, about_at) WHERE about_at IS NOT NULL"
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_breaks_about")
    op.execute("DROP TABLE reconciliation_findings, reconciliation_records")
    op.execute("ALTER TABLE breaks DROP COLUMN about_at, DROP COLUMN resolved_by")
    op.execute("ALTER TABLE reconciliation_runs DROP COLUMN source, DROP COLUMN alive_at")
