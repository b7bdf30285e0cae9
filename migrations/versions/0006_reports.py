"""Give reports a table, so that yesterday's can be read again.

A new table with its index: nobody waits. Down: drop it; what was kept is lost.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE reports (
  name text NOT NULL,                             -- as the command says it: 'daily', 'dead-letters', 'reconciliation'
  day date NOT NULL,                              -- in UTC
  made_at timestamptz NOT NULL DEFAULT rk_now(),
  content jsonb NOT NULL,                         -- the report as ops.reports.kept writes it
  PRIMARY KEY (name, day)
);
CREATE INDEX ix_reports_day ON reports (day, name);
"""


def upgrade() -> None:
    cursor = op.get_bind().connection.cursor()
    cursor.execute(TABLE)
    cursor.close()


def downgrade() -> None:
    op.execute("DROP TABLE reports")
