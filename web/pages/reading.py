"""A page's own look into Postgres: one turn, one read-only transaction, handed to the view."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, current_app
from sqlalchemy import Connection, Engine

from db.page_reading import page_reading
from web.pages.crowd import Crowd


class _Reads:
    """Where pages read from, and their turns."""

    def __init__(self, engine: Engine, crowd: Crowd) -> None:
        self.engine = engine
        self.crowd = crowd


def mount(app: Flask, engine: Engine, crowd: Crowd) -> None:
    """Have the application's views read from there, in turns."""
    app.extensions["reads"] = _Reads(engine, crowd)


@contextmanager
def looking() -> Iterator[Connection]:
    """A connection for one view, closed before its page is rendered. Raises: Busy, and what the database raises."""
    reads: _Reads = current_app.extensions["reads"]
    with reads.crowd.turn(), page_reading(reads.engine) as connection:
        yield connection
