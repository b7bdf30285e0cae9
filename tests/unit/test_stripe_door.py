"""Stripe's routes: the check each makes, and how its events are called."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.rotation import Secret, Windowed
from providers.stripe.door import name, routes
from providers.webhook_keys import SignatureMissing, SignatureWrong, StaleTimestamp

# The worked example of `stripe` 16.1's own check.
BODY = (
    b'{"id":"evt_1QfTestDeposit0001","object":"event","type":"crypto.onramp_session.updated","created":1767225599,'
    b'"livemode":false,"data":{"object":{"id":"cos_1QfTest0001","object":"crypto.onramp_session",'
    b'"status":"fulfillment_complete"}}}'
)
SIGNED = {"Stripe-Signature": "t=1767225600,v1=56a07b8b3148147d8d4d95deefea5238d210df259a38882a1931976e9ddbf11b"}
AT = datetime(2026, 1, 1, tzinfo=UTC)
SECRETS = [Windowed(Secret("whsec_test_4b1d8f0c2e7a"))]
PATHS = ["/webhooks/stripe", "/webhook/stripe"]


class TestRoutes:
    def test_are_closed_without_a_secret(self) -> None:
        assert routes([]) == {}

    def test_are_stripes_own_and_the_seeds(self) -> None:
        assert sorted(routes(SECRETS)) == sorted(PATHS)

    @pytest.mark.parametrize("path", PATHS)
    def test_take_what_stripe_signed_and_nothing_else(self, path: str) -> None:
        """The alias is no weaker way in."""
        route = routes(SECRETS)[path]
        assert route.provider == "stripe"
        assert route.verify(BODY, SIGNED, AT).fingerprint
        with pytest.raises(SignatureWrong):
            route.verify(BODY + b" ", SIGNED, AT)
        with pytest.raises(SignatureMissing):
            route.verify(BODY, {}, AT)

    def test_refuse_what_is_older_than_configured(self) -> None:
        late = AT + timedelta(seconds=61)
        routes(SECRETS)[PATHS[0]].verify(BODY, SIGNED, late)
        with pytest.raises(StaleTimestamp):
            routes(SECRETS, tolerance=timedelta(minutes=1))[PATHS[0]].verify(BODY, SIGNED, late)

    def test_store_no_signature(self) -> None:
        assert "stripe-signature" not in routes(SECRETS)[PATHS[0]].kept_headers


class TestNames:
    def test_are_stripes_own_ids(self) -> None:
        found = name(BODY, {"id": "evt_1", "type": "refund.created"})
        assert (found.id, found.type) == ("evt_1", "refund.created")

    @pytest.mark.parametrize("odd", [None, 7, "", {}])
    def test_are_the_bytes_where_there_is_no_id(self, odd: Any) -> None:
        assert name(b"one", {"id": odd}).id == name(b"one", {}).id != name(b"two", {}).id
        assert name(b"one", {}).id.startswith("sha256:")

    def test_never_look_like_ours(self) -> None:
        assert name(b"", {"id": "poll:refund:re_1:1"}).id.startswith("named:")
