"""A newer release migrates while this one runs: its new columns are none of our statements' business."""

from contextlib import closing

import psycopg

from tests.support.deposit_house import DepositHouse

OFTEN = 8  # from its sixth time on a connection has a statement prepared, the columns it answers with fixed
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


def add_a_column_to_every_table(database_url: str) -> None:
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        for (table,) in connection.execute(TABLES).fetchall():
            connection.execute(f'ALTER TABLE "{table}" ADD COLUMN of_the_next_release integer'.encode())


def test_this_one_goes_on_with_columns_it_does_not_know(house: DepositHouse, database_url: str) -> None:
    people = [house.person(f"ana{n}", mode="legacy_offramp") for n in range(OFTEN)]
    for amount in ("250.00", "80.00"):
        for person in people:
            house.announce(person, amount)
        house.world.faults.set("reset_before", "due", only="POST /offramp", times=OFTEN)
        house.pass_time(900)
        if amount == "250.00":
            add_a_column_to_every_table(database_url)

    assert [house.state_of(one) for one in house.world.due.transfers] == ["broker_funded"] * OFTEN * 2
    assert house.letters() == []
    assert house.one("SELECT count(*) FROM attempts WHERE message LIKE '%NotSupportedError%'") == 0
