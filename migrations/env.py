"""How Alembic reaches the database: a direct connection handed in by `migrations.run`, one lock, a lock timeout."""

from alembic import context
from sqlalchemy import Connection, text

LOCK = 7_265_701  # one migration at a time, whoever starts it; an advisory lock of the transaction


def run(connection: Connection) -> None:
    """Run the migrations, each in a transaction of its own, giving up rather than queueing behind a busy table."""
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
    connection.commit()
    try:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
        connection.commit()


run(context.config.attributes["connection"])
