"""The small parts of the command line: cells, times, passwords, commands that are not there."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import click
import pytest
from click.testing import CliRunner

from ops.actions.passwords import WeakPassword, hash_password, password_matches
from ops.cli.lazy import LazyGroup, Place
from ops.cli.main import PLACES, cli
from ops.cli.options import Moment
from ops.reports.cells import cell, length_text, money_text, to_json


class TestCells:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, ""),
            (True, "yes"),
            (Decimal(24925), "24925"),
            (datetime(2026, 11, 21, 9, 30, tzinfo=UTC), "2026-11-21 09:30:00Z"),
            ("two\nlines\x1b[31m\u202e", "two lines [31m"),
            ({"b": 1, "a": [2]}, '{"b": 1, "a": [2]}'),
            (timedelta(days=2, hours=3, minutes=4), "2d 3h"),
        ],
    )
    def test_are_one_line_without_control_characters(self, value: Any, text: str) -> None:
        assert cell(value) == text

    def test_tell_money_in_major_units(self) -> None:
        assert money_text(24_925, "USD") == "249.25 USD"
        assert money_text(-1, "USDC") == "-0.000001 USDC"
        assert money_text(5, "XYZ") == "5 minor units of XYZ"
        assert money_text(None, "USD") == ""

    def test_tell_a_length_by_its_two_largest_units(self) -> None:
        assert length_text(timedelta(seconds=0)) == "0s"
        assert length_text(timedelta(hours=-1, seconds=-5)) == "-1h 5s"

    def test_are_integers_text_and_utc_in_json(self) -> None:
        """A number beyond 2**53 is exact only as an integer; a fraction has no place in money."""
        moment = datetime(2026, 11, 21, 9, 30, 0, 5, tzinfo=UTC)
        value = {"amount": Decimal(10**30), "at": moment, "id": UUID(int=1)}

        assert to_json(value, indent=None) == (
            '{"amount": 1000000000000000000000000000000, "at": "2026-11-21T09:30:00.000005Z", '
            '"id": "00000000-0000-0000-0000-000000000001"}'
        )
        with pytest.raises(TypeError, match="Decimal has no place in JSON"):
            to_json(Decimal("1.5"))


class TestMoment:
    @pytest.mark.parametrize(
        ("said", "meant"),
        [
            ("24h", timedelta(hours=24)),
            ("2w", timedelta(weeks=2)),
            ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
            ("2026-11-21T09:30:00Z", datetime(2026, 11, 21, 9, 30, tzinfo=UTC)),
            ("2026-11-21T09:30:00+02:00", datetime(2026, 11, 21, 7, 30, tzinfo=UTC)),
        ],
    )
    def test_is_a_time_or_a_length_ago(self, said: str, meant: datetime | timedelta) -> None:
        assert Moment().convert(said, None, None) == meant

    @pytest.mark.parametrize("said", ["", "yesterday", "24", "1.5h", "2026-13-01", "-3h"])
    def test_refuses_anything_else(self, said: str) -> None:
        with pytest.raises(click.BadParameter, match="say a time such as"):
            Moment().convert(said, None, None)


class TestPasswords:
    def test_match_their_own_hash_only(self) -> None:
        kept = hash_password("correct horse battery")

        assert password_matches("correct horse battery", kept)
        assert not password_matches("correct horse batterx", kept)
        assert kept != hash_password("correct horse battery"), "salted"
        assert not set(kept) & set(",@%:$ "), "safe in OPS_USERS and in a shell"

    @pytest.mark.parametrize(
        "kept",
        ["", "scrypt.1.2", "bcrypt.15.8.1.AA.AA", "scrypt.99.8.1.AA.AA", "scrypt.x.8.1.A.A", "scrypt.15.8.1.AA.AA"],
    )
    def test_match_no_broken_hash(self, kept: str) -> None:
        assert not password_matches("correct horse battery", kept)

    def test_must_be_long_enough(self) -> None:
        with pytest.raises(WeakPassword, match="at least 10"):
            hash_password("short")

    def test_are_read_from_a_pipe(self) -> None:
        result = CliRunner().invoke(cli, ["password-hash"], input="correct horse battery\n")

        assert password_matches("correct horse battery", result.stdout.strip())


class TestCommands:
    def test_are_all_in_the_help_without_being_imported(self) -> None:
        result = CliRunner().invoke(cli, ["--help"])

        assert all(f"  {name} " in result.stdout for name in PLACES)

    def test_say_so_when_they_are_not_there(self) -> None:
        group = LazyGroup(name="g", places={"gone": Place("ops.cli.gone:gone", "Gone.")})

        result = CliRunner().invoke(group, ["gone"])

        assert (result.exit_code, result.stdout) == (1, "")
        assert "`gone` is not part of this checkout: ops.cli.gone is missing" in result.stderr

    @pytest.mark.parametrize("words", [["nonsense"], ["flows", "list", "--limit", "0"], ["flows"], ["flows", "show"]])
    def test_end_with_2_when_the_call_is_wrong(self, words: list[str]) -> None:
        result = CliRunner().invoke(cli, words, env={"DATABASE_URL": "postgresql://127.0.0.1:1/none"})

        assert result.exit_code == 2
        assert "Usage:" in result.stderr
