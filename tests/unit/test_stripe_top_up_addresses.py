"""Addresses of the networks that the onramp delivers on."""

import pytest

from funding.chain_addresses import NoAddress, is_address, normal

EVM = "0x52908400098527886E0F7030069857D2E4169EE7"
SOLANA = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T"
SYSTEM = "1" * 32  # Solana's system program: a key of nothing but zeros


@pytest.mark.parametrize("network", ["ethereum", "Base", "POLYGON", "optimism", "avalanche", "celo"])
def test_one_address_serves_every_chain_that_is_like_ethereum(network: str) -> None:
    assert normal(network, EVM) == EVM.lower()


@pytest.mark.parametrize("address", [SOLANA, SYSTEM])
def test_of_solana_is_a_key_of_thirty_two_bytes_in_its_own_case(address: str) -> None:
    assert normal("solana", address) == address


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("solana", EVM),
        ("solana", SOLANA[:-2]),
        ("solana", "z" * 44),
        ("solana", "1" * 33),
        ("solana", SOLANA.replace("4", "0")),
        ("base", SOLANA),
        ("polygon", EVM[:-1]),
        ("stellar", SOLANA),
    ],
)
def test_of_another_network_is_none(network: str, address: str) -> None:
    assert not is_address(network, address)
    with pytest.raises(NoAddress) as caught:
        normal(network, address)
    assert address not in str(caught.value)
