"""Make every table of the house, the ledger's guards and the view `deposits`. Down: drop them all."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).with_name("0001_the_house.sql")


def upgrade() -> None:
    # As one script: the driver reads no placeholders into it when no parameters are given.
    cursor = op.get_bind().connection.cursor()
    cursor.execute(SQL.read_text(encoding="utf-8"))
    cursor.close()


def downgrade() -> None:
    op.execute("DROP VIEW deposits")
    op.execute("""
        DROP TABLE audit_log, audit_head, balance_readings, receiver_keys, provider_gates, stream_cursors, looks,
          polled_objects, poll_marks, ticks, clock_jobs, clock_leases, alerts_firing,
          notification_attempts, notifications, break_history, breaks,
          reconciliation_runs, dead_letters, balances, postings, journal_entries,
          ledger_accounts, assets, intentions, flow_references, transitions, attempts, inbox_events, flows,
          worker_sessions, customer_links, customers
    """)
    op.execute("DROP FUNCTION rk_refuse_edit(), rk_check_postings(), rk_now()")
