"""Bridge's routes of the door: whose keys each takes, and how its events are called."""

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from providers.bridge.door import name, routes
from providers.receiving import Receiving
from providers.rotation import Windowed
from providers.webhook_keys import KeyRetired, SignatureMissing, SignatureWrong, StaleTimestamp
from tests.unit.test_bridge_signature import (
    AT,
    BODY,
    KEY,
    PUBLISHED_AT,
    PUBLISHED_BODY,
    PUBLISHED_KEY,
    PUBLISHED_SIGNATURE,
    signed,
)

OURS = Windowed(base64.b64decode(KEY))
ANOTHER = Windowed(base64.b64decode(PUBLISHED_KEY))
ALIASES = ("/webhooks/bridge/kyc", "/webhooks/bridge/deposit", "/webhooks/bridge/transfer")
ALL = {"/webhooks/bridge", *ALIASES}


def takes(receiving: Receiving) -> bool:
    """Whether the route takes what `OURS` has signed."""
    try:
        receiving.verify(BODY, signed(), AT)
    except SignatureWrong:
        return False
    return True


def named(body: Mapping[str, Any]) -> str:
    return name(json.dumps(body).encode(), body).id


class TestRoutes:
    def test_are_all_open_with_the_common_keys(self) -> None:
        found = routes([OURS])
        assert found.keys() == ALL
        assert all(map(takes, found.values()))
        assert {one.provider for one in found.values()} == {"bridge"}

    @pytest.mark.parametrize(
        ("own", "path"), [("kyc_keys", ALIASES[0]), ("deposit_keys", ALIASES[1]), ("transfer_keys", ALIASES[2])]
    )
    def test_of_the_seed_take_their_own_keys_in_place_of_the_common_ones(self, own: str, path: str) -> None:
        """Bridge signs each endpoint with another key: one of these says nothing of the others."""
        keys: dict[str, Any] = {own: [ANOTHER]}
        found = routes([OURS], **keys)
        assert {one for one, receiving in found.items() if not takes(receiving)} == {path}

    def test_stay_shut_without_a_key(self) -> None:
        assert routes([]) == {}
        assert routes([], kyc_keys=[OURS]).keys() == {"/webhooks/bridge/kyc"}

    def test_take_no_key_that_is_not_rsa(self) -> None:
        with pytest.raises(ValueError, match="key"):
            routes([Windowed(b"no key at all")])


class TestTheCheck:
    def test_says_which_key_matched(self) -> None:
        """Bridge's own published example, through the route."""
        verify = routes([OURS, ANOTHER])["/webhooks/bridge"].verify
        matched = verify(PUBLISHED_BODY, signed(PUBLISHED_SIGNATURE, "1705854411204"), PUBLISHED_AT)
        assert matched != verify(BODY, signed(), AT)

    def test_refuses_what_is_unsigned_or_signed_by_a_key_that_ended(self) -> None:
        verify = routes([Windowed(OURS.value, not_after=AT)])["/webhooks/bridge"].verify
        with pytest.raises(SignatureMissing):
            verify(BODY, {}, AT)
        with pytest.raises(KeyRetired):
            verify(BODY, signed(), AT)

    @pytest.mark.parametrize(("minutes", "tolerance"), [(11, None), (6, timedelta(minutes=5))])
    def test_refuses_what_is_older_than_the_tolerance(self, minutes: int, tolerance: timedelta | None) -> None:
        chosen: dict[str, Any] = {} if tolerance is None else {"tolerance": tolerance}
        for receiving in routes([OURS], **chosen).values():
            with pytest.raises(StaleTimestamp):
                receiving.verify(BODY, signed(), AT + timedelta(minutes=minutes))

    def test_takes_what_is_younger(self) -> None:
        routes([OURS])["/webhooks/bridge"].verify(BODY, signed(), AT + timedelta(minutes=9))


class TestNames:
    def test_are_bridges_own_or_the_seeds(self) -> None:
        assert named({"event_id": "wh_1", "event_category": "transfer"}) == "wh_1"
        assert named({"id": "evt_1", "type": "kyc.approved", "data": {}}) == "evt_1"

    def test_of_both_shapes_at_once_are_bridges(self) -> None:
        assert named({"event_id": "wh_1", "id": "evt_1"}) == "wh_1"

    @pytest.mark.parametrize("odd", ["poll:transfer:1:1", "sha256:00", "a b", "x" * 5000, "\ud800", "a\x00b"])
    def test_that_cannot_be_a_key_or_look_like_ours_are_digested(self, odd: str) -> None:
        first = named({"event_id": odd})
        assert first.startswith("named:")
        assert first == named({"event_id": odd, "more": 1})

    @pytest.mark.parametrize("odd", [None, "", 7, ["wh_1"], {"id": "wh_1"}])
    def test_without_an_id_are_the_bytes(self, odd: Any) -> None:
        assert named({"event_id": odd, "id": odd}).startswith("sha256:")

    @pytest.mark.parametrize("kind", ["created", "transfer.created"])
    def test_come_with_a_type_that_has_its_category(self, kind: str) -> None:
        event = {"event_id": "wh_1", "event_category": "transfer", "event_type": kind}
        assert name(b"", event).type == "transfer.created"

    @pytest.mark.parametrize(
        ("event", "kind"),
        [
            ({"type": "kyc.approved"}, "kyc.approved"),
            ({"event_category": "transfer"}, None),
            ({"event_category": 7, "event_type": "created"}, None),
            ({"event_category": "transfer", "event_type": "x" * 500}, "transfer." + "x" * 91),
        ],
    )
    def test_come_with_a_type_fit_for_a_column(self, event: dict[str, Any], kind: str | None) -> None:
        assert name(b"", event).type == kind
