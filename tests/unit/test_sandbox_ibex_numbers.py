"""JSON numbers with all their digits."""

import json
from decimal import Decimal

import pytest

from sandbox.ibex.views import dump, smallest


@pytest.mark.parametrize("text", ["0.00000000001", "12345678901234.12345678901", "100.0", "0.1"])
def test_keep_what_a_float_would_lose(text: str) -> None:
    assert dump({"amount": Decimal(text)}) == f'{{"amount":{text}}}'


def test_never_have_an_exponent() -> None:
    assert dump([Decimal("1E+3"), Decimal("1E-9")]) == "[1000.0,0.000000001]"


def test_leave_everything_else_as_it_is() -> None:
    value = {"a": [1, "x", None, True, {"b": 0.5}], 'quo"te': "\u00e9"}
    assert json.loads(dump(value)) == value


def test_smallest_units_are_cut_never_rounded_up() -> None:
    assert smallest(Decimal("2.50000099999")) == 2_500_000
