"""A copy of the database from a moment ago, as a standby that lags keeps one; a failover goes on from there."""

from typing import Final

from sqlalchemy import text

from tests.simulation.quick import AtHand

SCHEMA: Final = "standby"
_COLUMNS = text("""
    SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name = :table AND is_generated = 'NEVER'
""")


class Standby:
    """Keeps what `tables` hold, and gives it back; numbers already handed out stay so, as sequences run ahead."""

    def __init__(self, connections: AtHand, tables: tuple[str, ...]) -> None:
        self._connections = connections
        keep, lose = [], ["SET LOCAL session_replication_role = replica"]
        made = [f"CREATE SCHEMA {SCHEMA}"]
        with connections.connect() as connection:
            for table in tables:
                columns = connection.execute(_COLUMNS, {"table": table}).scalar_one()
                kept = f"{SCHEMA}.{table}"
                made.append(f"CREATE UNLOGGED TABLE {kept} AS SELECT {columns} FROM {table} WHERE false")  # noqa: S608 - names out of the catalogue
                keep += [f"DELETE FROM {kept}", f"INSERT INTO {kept} SELECT {columns} FROM {table}"]  # noqa: S608 - the same
                lose += [
                    f"DELETE FROM {table}",  # noqa: S608 - the same
                    f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {kept}",  # noqa: S608 - the same
                ]
        connections.tell(_in_one(made))
        self._keep, self._lose = _in_one(keep), _in_one(lose)

    def keep(self) -> None:
        """Be as the database is now."""
        self._connections.tell(self._keep)

    def take_over(self) -> None:
        """Be the database: whatever was committed since is lost."""
        self._connections.tell(self._lose)


def _in_one(commands: list[str]) -> bytes:
    return "; ".join(["BEGIN", *commands, "COMMIT"]).encode()
