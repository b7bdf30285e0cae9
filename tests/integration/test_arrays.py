"""Arrays made by ourselves arrive in Postgres as the driver's would."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DataError

from db.arrays import blobs, texts

TEXTS = ["plain", "", None, '{"a":1}', "comma, and \\", "é😀", "NULL"]
BLOBS = [b"\x00\xff", b"", None, b"{}"]


def test_texts_bytes_and_nulls_arrive_as_they_are(engine: Engine) -> None:
    with engine.connect() as connection:
        arrays = {"texts": texts(TEXTS), "blobs": blobs(BLOBS), "none": texts([])}
        row = connection.exec_driver_sql("SELECT %(texts)b, %(blobs)b, cardinality(%(none)b)", arrays).one()

    assert list(row) == [TEXTS, BLOBS, 0]


def test_a_text_that_cannot_be_stored_is_the_servers_to_refuse(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(DataError):
        connection.exec_driver_sql("SELECT %(texts)b", {"texts": texts(["a\x00b"])})


def test_a_lone_surrogate_is_refused_before_it_is_sent() -> None:
    with pytest.raises(UnicodeEncodeError):
        texts(["\ud800"])
