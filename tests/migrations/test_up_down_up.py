"""The schema goes up, down and up again, and is the same both times."""

from sqlalchemy import text

from db.engine import make_engine
from migrations.run import current, downgrade, head, upgrade

_SHAPE = text("""
    SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
      FROM information_schema.columns WHERE table_schema = 'public'
     UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
     UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
                WHERE connamespace = 'public'::regnamespace
     ORDER BY 1
""")


class TestMigrations:
    def test_comes_back_to_the_same_shape(self, empty_database_url: str) -> None:
        """A release that is taken back and made again must not leave another schema behind."""
        engine = make_engine(empty_database_url)
        upgrade(empty_database_url)
        with engine.connect() as connection:
            first = list(connection.execute(_SHAPE).scalars())
            assert current(connection) == head()
        downgrade(empty_database_url, "base")
        with engine.connect() as connection:
            assert not [line for line in connection.execute(_SHAPE).scalars() if "alembic" not in line]
        upgrade(empty_database_url)
        with engine.connect() as connection:
            assert list(connection.execute(_SHAPE).scalars()) == first
        engine.dispose()
