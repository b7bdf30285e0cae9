"""What a link must look like, so that a slip of an operator is told before money looks for it."""

from typing import Any

import pytest

from ops.actions.link_kinds import fault_of_link

TRON = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"
UUID = "7c0d1a52-0a4e-4c39-9a35-6a0c0a3b1f10"
Link = tuple[str, str, str, dict[str, Any]]

GOOD: list[Link] = [
    ("bridge", "customer", UUID, {}),
    ("bridge", "customer", "cust_123", {"kyc": "approved"}),
    ("bridge", "virtual_account", UUID, {}),
    ("bridge", "external_account", UUID, {"bank_name": "Bank of 1858", "last4": "0042"}),
    ("bridge", "external_account", UUID, {}),
    ("bridge", "liquidation_address", TRON, {}),
    ("ibex", "account", UUID, {}),
    ("ibex", "address", TRON, {"network": "tron", "asset": "USDT"}),
    ("ibex", "address", TRON, {"network": "Tron", "asset": "usdt", "account": UUID}),
    ("ibex", "address", ETHEREUM, {"network": "ethereum"}),
    ("ibex", "address", ETHEREUM, {}),
    ("stripe", "wallet_address", ETHEREUM, {"network": "ethereum"}),
    ("stripe", "wallet_address", f"base/{ETHEREUM}", {"network": "base"}),
    ("stripe", "wallet_address", f"base/{ETHEREUM}", {"network": "Base"}),
]

BAD: list[tuple[Link, str]] = [
    (("bridge", "customer", "../transfers", {}), "external_id must be an id"),
    (("bridge", "virtual_account", "va 1", {}), "external_id must be an id"),
    (("bridge", "external_account", "a/b", {}), "external_id must be an id"),
    (("bridge", "external_account", UUID, {"last4": "90042"}), "last4 must be the last 4 digits"),
    (("bridge", "external_account", UUID, {"last4": 42}), "last4 must be the last 4 digits"),
    (("bridge", "external_account", UUID, {"last4": "\u0660\u0660\u0664\u0662"}), "last4 must be the last 4 digits"),
    (("bridge", "external_account", UUID, {"bank_name": "Bank 9001 0020 0300"}), "a long number"),
    (("bridge", "external_account", UUID, {"account_number": 900100200300}), "a long number"),
    (("bridge", "external_account", UUID, {"bank_name": ["Bank"]}), "bank_name must be text"),
    (("ibex", "account", "a?b", {}), "external_id must be an id"),
    (("ibex", "address", TRON[:-1] + "5", {"network": "tron"}), "not an address of Tron"),
    (("ibex", "address", ETHEREUM, {"network": "tron"}), "not an address of Tron"),
    (("ibex", "address", TRON, {"network": "ethereum"}), "not an address of Ethereum"),
    (("ibex", "address", TRON, {"network": "trn"}), "network is not a network we know"),
    (("ibex", "address", "wallet_1", {}), "must be an address of one of"),
    (("ibex", "address", TRON, {"network": None}), "network must be text"),
    (("ibex", "address", TRON, {"asset": "DOGE"}), "asset must be one of USDC, USDT"),
    (("ibex", "address", TRON, {"asset": 29}), "asset must be text"),
    (("stripe", "wallet_address", ETHEREUM, {}), "network must say which chain"),
    (("stripe", "wallet_address", ETHEREUM, {"network": ["ethereum"]}), "network must be text"),
    (("stripe", "wallet_address", ETHEREUM[:-1], {"network": "ethereum"}), "not an address of Ethereum"),
    (("stripe", "wallet_address", TRON, {"network": "ethereum"}), "not an address of Ethereum"),
    (("stripe", "wallet_address", f"base/{ETHEREUM}", {"network": "ethereum"}), "must come ethereum"),
    (("stripe", "wallet_address", f"base_network/{ETHEREUM}", {"network": "base"}), "must come base"),
    (("stripe", "wallet_address", f"base/x/{ETHEREUM}", {"network": "base"}), "must come base"),
]


@pytest.mark.parametrize("link", GOOD)
def test_a_good_one_has_no_fault(link: Link) -> None:
    assert fault_of_link(*link) is None


@pytest.mark.parametrize(("link", "reason"), BAD)
def test_a_bad_one_says_what_is_expected_and_quotes_nothing(link: Link, reason: str) -> None:
    fault = fault_of_link(*link) or ""
    assert reason in fault
    assert link[2] not in fault
    assert "900" not in fault
