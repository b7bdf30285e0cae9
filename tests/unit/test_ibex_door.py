"""IBEX at the door: the secret in the body, what is left of the body, where it may come from, what it is called."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.fields import WrongShape
from providers.ibex import door, secret
from providers.receiving import Proved, SourceRefused
from providers.rotation import Malformed, Secret, Windowed
from providers.sources import is_allowed, load_sources
from providers.webhook_keys import (
    KeyRetired,
    SignatureMalformed,
    SignatureMissing,
    SignatureRefused,
    SignatureWrong,
)

NOW = datetime(2026, 3, 4, 15, 20, tzinfo=UTC)
OURS = "ibx_whsec_7Qm2"
SECRETS = secret.load_secrets([Windowed(Secret(OURS))])
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"
TRON = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
FLAT: dict[str, Any] = {
    "tx_hash": "0xabc",
    "address": ETHEREUM,
    "amount": "100.00",
    "currency": "USDT",
    "network": "ethereum",
}


def flat(said: Any = OURS) -> bytes:
    """The sheet's body D; without a secret when it is Ellipsis."""
    return json.dumps(FLAT if said is ... else FLAT | {"webhookSecret": said}).encode()


def prove(body: bytes, headers: dict[str, str] | None = None) -> Proved:
    return secret.prove(body, headers or {}, SECRETS, NOW)


class TestTheSecret:
    def test_passes_when_it_is_ours(self) -> None:
        proved = prove(flat())
        assert proved.key.fingerprint == SECRETS[0].fingerprint
        assert json.loads(proved.body) == FLAT

    @pytest.mark.parametrize(
        "said", ["ibx_whsec_7Qm3", "IBX_WHSEC_7Qm2", "", None, 7, ["ibx_whsec_7Qm2"], ..., "\ud800"]
    )
    def test_is_refused_when_it_is_not(self, said: Any) -> None:
        with pytest.raises(SignatureRefused):
            prove(flat(said))

    @pytest.mark.parametrize("said", ["", ..., " ", "x"])
    @pytest.mark.parametrize("configured", ["", " "])
    def test_that_is_configured_empty_proves_nobody(self, said: Any, configured: str) -> None:
        keys = secret.load_secrets([Windowed(Secret(configured))])
        assert keys == ()
        with pytest.raises(SignatureRefused):
            secret.prove(flat(said), {}, keys, NOW)

    @pytest.mark.parametrize(
        "event",
        [
            {"webhookSecret": OURS},
            {"secret": OURS},
            {"event": "crypto.received", "data": {"webhookSecret": OURS}},
            {"webhookSecret": OURS, "secret": "another's"},
        ],
    )
    def test_is_found_in_each_place(self, event: dict[str, Any]) -> None:
        proved = prove(json.dumps(event).encode())
        assert b"ecret" not in proved.body

    def test_is_found_in_its_header_where_the_body_has_none(self) -> None:
        assert json.loads(prove(flat(...), {secret.HEADER: OURS}).body) == FLAT

    @pytest.mark.parametrize("said", ["wrong", "", None, 7])
    def test_in_its_header_is_no_way_round_a_wrong_one_in_the_body(self, said: Any) -> None:
        with pytest.raises(SignatureRefused):
            prove(flat(said), {secret.HEADER: OURS})

    def test_that_is_nowhere_is_missing(self) -> None:
        with pytest.raises(SignatureMissing):
            prove(flat(...))
        with pytest.raises(SignatureMalformed):
            prove(flat(""))

    def test_is_every_one_of_a_rotation_while_its_window_is_open(self) -> None:
        entries = [Windowed(Secret("new")), Windowed(Secret("old"), None, NOW), Windowed(Secret("older"))]
        keys = secret.load_secrets(entries)
        assert secret.prove(flat("older"), {}, keys, NOW).key.fingerprint == keys[2].fingerprint
        assert secret.prove(flat("old"), {}, keys, NOW - timedelta(seconds=1)).key.fingerprint == keys[1].fingerprint
        with pytest.raises(KeyRetired):
            secret.prove(flat("old"), {}, keys, NOW)
        with pytest.raises(SignatureWrong):
            secret.prove(flat("oldest"), {}, keys, NOW)

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"null", b"x", b'{"secret":"\xff"}', b"[" * 200_000, b'{"secret":NaN}', b"\xef\xbb\xbf{}"]
    )
    def test_is_not_looked_for_in_what_is_no_object(self, body: bytes) -> None:
        with pytest.raises(WrongShape):
            prove(body)

    def test_in_a_body_too_deep_to_write_again_is_no_bug(self) -> None:
        for depth in (300, 700, 960, 5000):
            body = b'{"secret":"%s","x":%s1%s}' % (OURS.encode(), b"[" * depth, b"]" * depth)
            try:
                assert OURS.encode() not in prove(body).body
            except WrongShape:
                assert depth > 300


class TestTheBodyThatIsStored:
    def test_keeps_its_numbers_digit_for_digit(self) -> None:
        numbers = b'{"a":1.37000000001,"b":100.0,"c":1E+2,"d":-0.0,"e":%s,"f":[0.1,12345678901234567890]}' % (
            b"9" * 6000
        )
        proved = prove(b'{"webhookSecret":"%s",' % OURS.encode() + numbers[1:])
        assert proved.body == numbers

    def test_keeps_a_field_named_twice_for_ingest_to_judge(self) -> None:
        assert prove(b'{"id":"a","secret":"%s","id":"b"}' % OURS.encode()).body == b'{"id":"a","id":"b"}'

    def test_of_a_secret_named_twice_keeps_neither(self) -> None:
        body = b'{"secret":"another","x":1,"secret":"%s"}' % OURS.encode()
        assert prove(body).body == b'{"x":1}'

    def test_holds_it_in_no_other_place(self) -> None:
        event = {
            "secret": OURS,
            "transaction": {"id": "tx_1", "webhookSecret": OURS, "webhook_secret": "other"},
            "url": f"https://us.example/hook?s={OURS}",
            f"k{OURS}": [OURS],
        }
        stored = prove(json.dumps(event).encode()).body
        assert b"whsec" not in stored
        assert json.loads(stored)["transaction"] == {"id": "tx_1"}

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "é", '"', "secrets", ""]), inner),
            max_leaves=10,
        )
    )
    def test_is_what_came_but_for_the_secret(self, event: Any) -> None:
        stored = prove(json.dumps({"webhookSecret": OURS, "event": event}).encode()).body
        assert json.loads(stored) == {"event": event}

    def test_is_not_shown_by_the_key(self) -> None:
        assert OURS not in repr(SECRETS)


class TestWhereItComesFrom:
    SOURCES = load_sources(["35.243.242.121", "34.74.236.0/24", "2001:db8::/64"])

    @pytest.mark.parametrize("peer", ["35.243.242.121", "34.74.236.191", "::ffff:35.243.242.121", "2001:db8::7"])
    def test_may_be_an_address_or_within_a_network(self, peer: str) -> None:
        assert is_allowed(peer, self.SOURCES)

    @pytest.mark.parametrize(
        "peer", ["35.243.242.122", "34.74.237.1", "2001:db8:0:1::7", "", None, "ibex", "127.0.0.1"]
    )
    def test_is_refused_from_elsewhere_however_right_its_secret(self, peer: str | None) -> None:
        with pytest.raises(SourceRefused):
            door.check(flat(), {}, peer, NOW, secrets=SECRETS, sources=self.SOURCES)

    def test_is_anywhere_when_nothing_is_configured(self) -> None:
        assert door.check(flat(), {}, None, NOW, secrets=SECRETS).key.fingerprint == SECRETS[0].fingerprint

    @pytest.mark.parametrize("entry", ["", "ibex.example", "34.74.236.191/24", "1.2.3"])
    def test_must_be_written_plainly(self, entry: str) -> None:
        with pytest.raises(Malformed) as caught:
            load_sources([entry])
        assert not entry or entry not in str(caught.value)


def named(event: Any) -> str:
    return door.name(json.dumps(event).encode(), event).id


class TestItsName:
    ACCOUNT: dict[str, Any] = {"transaction": {"id": "tx_1", "status": "pending"}}  # noqa: RUF012 -- never changed

    def test_is_the_transaction_and_its_status(self) -> None:
        """A later status of the same transaction is another event."""
        assert named(self.ACCOUNT) == "tx_1:pending"
        assert named({"transaction": {"id": "tx_1", "status": "Completed"}}) == "tx_1:completed"

    def test_of_the_same_transaction_is_the_same_whatever_else_is_said(self) -> None:
        more = {"transaction": self.ACCOUNT["transaction"] | {"amount": 5, "address": ETHEREUM}}
        assert named(more) == named(self.ACCOUNT)

    def test_is_chain_hash_and_address_where_there_is_no_transaction(self) -> None:
        """One transaction on the chain can pay several of our addresses."""
        other = FLAT | {"address": "0x" + "1" * 40}
        assert named(FLAT).startswith("fields:")
        assert (
            len({named(FLAT), named(other), named(FLAT | {"tx_hash": "0xdef"}), named(FLAT | {"network": "base"})}) == 4
        )

    def test_is_one_for_the_flat_body_and_the_envelope(self) -> None:
        spelled = FLAT | {"address": ETHEREUM.lower(), "network": "Ethereum", "tx_hash": "0xABC"}
        assert named({"event": "crypto.received", "data": spelled}) == named(FLAT)

    def test_keeps_the_case_of_a_tron_address(self) -> None:
        tron = FLAT | {"network": "tron", "address": TRON}
        assert named(tron) != named(tron | {"address": TRON.lower()})

    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"transaction": 5},
            {"transaction": {"id": 7, "status": "completed"}},
            {"tx_hash": "0xabc", "address": ETHEREUM},
            {"event": "crypto.received", "data": "x"},
            {"transaction": {"id": "tx_1", "status": "completed"}, "tx_hash": "0xabc"},  # it must not take a real one's
        ],
    )
    def test_is_its_bytes_where_it_names_nothing(self, event: dict[str, Any]) -> None:
        assert named(event).startswith("sha256:")

    def test_is_never_one_of_ours(self) -> None:
        assert named({"transaction": {"id": "poll:transaction:1"}}).startswith("named:")

    @pytest.mark.parametrize(
        ("event", "kind"),
        [
            (ACCOUNT, "account.transaction"),
            (FLAT, "crypto.received"),
            ({"event": "crypto.seen", "data": {}}, "crypto.seen"),
            ({"hash": "4c7b", "transaction": {"id": "tx_1"}}, "lightning.invoice"),
            ({"amountSat": 5, "status": "MEMPOOL", "transaction": {"id": "tx_1"}}, "bitcoin.onchain"),
            ({}, None),
        ],
    )
    def test_comes_with_its_type(self, event: dict[str, Any], kind: str | None) -> None:
        assert door.name(b"", event).type == kind
