"""Give receipts a table, and let a customer have one withdrawal at a time.

A new table; its indexes with it, two others built concurrently: nobody who writes waits. Down: drop them.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE receipts (
  provider text NOT NULL,
  transaction_id text NOT NULL,
  account text NOT NULL,
  address text,
  asset text NOT NULL REFERENCES assets,
  amount numeric(38, 0) NOT NULL,
  chain_hash text,
  status text NOT NULL,                           -- in the provider's words, lower case
  happened_at timestamptz NOT NULL,               -- the provider's time
  first_seen_at timestamptz NOT NULL DEFAULT rk_now(),
  PRIMARY KEY (provider, transaction_id)
);
CREATE INDEX ix_receipts_first_seen_at ON receipts (first_seen_at);
CREATE INDEX ix_receipts_account ON receipts (account, happened_at);
"""

# A withdrawal that is paid out, or on its way back, no longer stands in the way of the next.
ONE_AT_A_TIME = """
CREATE UNIQUE INDEX CONCURRENTLY uq_flows_withdrawal_under_way ON flows (customer_id)
 WHERE kind = 'bridge_withdrawal' AND state IN ('requested', 'held', 'sent_to_bridge', 'paying_out') AND status = 'open'
"""


# What a customer owes us is a rare account among those of all customers.
OWED = """
CREATE INDEX CONCURRENTLY ix_ledger_accounts_receivable ON ledger_accounts (asset) WHERE name = 'receivable'
"""


def upgrade() -> None:
    # The indexes first: each is a transaction of its own, and what came before would stand there when it is cut off.
    with op.get_context().autocommit_block():
        # Left invalid by a build that was cut off: made anew.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_flows_withdrawal_under_way")
        op.execute(ONE_AT_A_TIME)
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_ledger_accounts_receivable")
        op.execute(OWED)
    cursor = op.get_bind().connection.cursor()
    cursor.execute(TABLE)
    cursor.close()


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_flows_withdrawal_under_way")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_ledger_accounts_receivable")
    op.execute("DROP TABLE receipts")
