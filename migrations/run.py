"""Bring a database's schema to a revision. Needs a direct connection: a pooler in transaction mode loses the lock."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from db.engine import make_engine


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to `revision`; doing it again changes nothing."""
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Take the schema down to `revision` ("base" for none). Loses what the newer tables held."""
    _run(url, lambda config: command.downgrade(config, revision))


def head() -> str:
    """The newest revision this checkout knows."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if newest is None:
        raise RuntimeError("migrations/versions holds no revision: the checkout is incomplete")
    return newest


def current(connection: Connection) -> str | None:
    """The revision the database stands at; None when it was never migrated."""
    try:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except ProgrammingError:
        connection.rollback()
        return None


def behind(connection: Connection) -> str | None:
    """Why nothing of this checkout may run on that schema, and what to do; None: it stands at head."""
    found, needed = current(connection), head()
    if found == needed:
        return None
    stands = f"stands at revision {found}" if found else "has no schema"
    return f"the database {stands}, this code needs {needed}: run `rampkeeper migrate` first"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _run(url: str, act: Callable[[Config], None]) -> None:
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            config = _config()
            config.attributes["connection"] = connection
            act(config)
    finally:
        engine.dispose()
