"""Addresses that pass the checks of their chains, and those that do not."""

import random

import pytest

from sandbox.ibex.addresses import comparable, draw, is_valid, tron

EXAMPLE = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"


def test_the_documented_tron_address_passes_its_checksum() -> None:
    assert is_valid("tron", EXAMPLE)


def test_one_changed_letter_anywhere_fails_it() -> None:
    for place in range(1, len(EXAMPLE)):
        letter = "2" if EXAMPLE[place] != "2" else "3"
        assert not is_valid("tron", EXAMPLE[:place] + letter + EXAMPLE[place + 1 :])


@pytest.mark.parametrize("address", ["", "T", EXAMPLE[1:], f"{EXAMPLE}4", EXAMPLE.lower(), "T" + "z" * 33, ETHEREUM])
def test_what_is_no_tron_address(address: str) -> None:
    assert not is_valid("tron", address)


@pytest.mark.parametrize("raw", [b"\x00" * 20, b"\xff" * 20])
def test_the_ends_of_the_range_have_the_same_form(raw: bytes) -> None:
    address = tron(raw)
    assert (len(address), address[0]) == (34, "T")
    assert is_valid("TRON", address)


@pytest.mark.parametrize("network", ["tron", "Ethereum"])
def test_what_is_drawn_is_valid_there(network: str) -> None:
    dice = random.Random(1)
    drawn = {draw(network, dice) for _ in range(50)}
    assert len(drawn) == 50
    assert all(is_valid(network, address) for address in drawn)


def test_only_hex_has_no_case() -> None:
    assert comparable(ETHEREUM) == comparable(ETHEREUM.lower())
    assert comparable(EXAMPLE) != comparable(EXAMPLE.lower())
