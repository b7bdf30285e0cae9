"""What Stripe's sandbox is made of: the signature header, form-encoded parameters, changes told as differences."""

import pytest

from sandbox.stripe import signing
from sandbox.stripe.errors import StripeError
from sandbox.stripe.form import Params, parsed
from sandbox.stripe.model import previous

SECRET, OLD_SECRET, AT = "whsec_test_4b1d8f0c2e7a", "whsec_test_old_91aa", 1767225600
BODY = (
    b'{"id":"evt_1QfTestDeposit0001","object":"event","type":"crypto.onramp_session.updated","created":1767225599,'
    b'"livemode":false,"data":{"object":{"id":"cos_1QfTest0001","object":"crypto.onramp_session",'
    b'"status":"fulfillment_complete"}}}'
)
V1 = "56a07b8b3148147d8d4d95deefea5238d210df259a38882a1931976e9ddbf11b"
OLD_V1 = "671f536c4b4de06bd6552b309e3ce01d4c27d2e8f0413ddcbb9c621a8b665cca"


class TestSignature:
    def test_is_the_worked_one(self) -> None:
        assert len(BODY) == 233
        assert signing.signature(SECRET, AT, BODY) == V1
        assert signing.signature(OLD_SECRET, AT, BODY) == OLD_V1
        assert signing.header(BODY, [SECRET], AT, decoy=False) == f"t={AT},v1={V1}"

    def test_in_a_rotation_has_one_for_each_secret_and_a_decoy(self) -> None:
        worked = f"t={AT},v1={OLD_V1},v1={V1},v0=" + "0" * 64
        assert signing.header(BODY, [OLD_SECRET, SECRET], AT) == worked

    def test_covers_every_byte_and_the_time(self) -> None:
        assert signing.signature(SECRET, AT, BODY.replace(b":", b": ", 1)) != V1
        assert signing.signature(SECRET, AT + 301, BODY) != V1


class TestForm:
    def test_lists_come_with_and_without_indices(self) -> None:
        bare, numbered = (Params(parsed(text), ["types"]) for text in ("types[]=a&types[]=b", "types[1]=b&types[0]=a"))
        assert bare.texts("types") == numbered.texts("types") == ["a", "b"]

    def test_maps_nest_and_may_be_escaped(self) -> None:
        assert parsed("a%5Bb%5D%5Bc%5D=1&a[b][d]=%C3%A9") == {"a": {"b": {"c": "1", "d": "é"}}}

    def test_metadata_named_by_numbers_stay_a_map(self) -> None:
        assert Params(parsed("metadata[0]=x&metadata[1]="), ["metadata"]).metadata() == {"0": "x"}

    @pytest.mark.parametrize("text", ["a[=1", "a]b=1", "[a]=1", "a=1&a[b]=2", "a[b]=1&a=2", "a[b]=1&a[b][c]=2", "=1"])
    def test_what_does_not_fit_together_is_refused(self, text: str) -> None:
        with pytest.raises(StripeError):
            parsed(text)

    def test_unknown_names_are_refused(self) -> None:
        with pytest.raises(StripeError) as refused:
            Params(parsed("wallet=x"), ["wallet_addresses"])
        assert refused.value.body["error"]["code"] == "parameter_unknown"


def test_a_change_is_told_by_what_was_there_before() -> None:
    before = {"status": "initialized", "details": {"fee": None, "speed": "instant"}, "id": "cos_1"}
    after = {"status": "requires_payment", "details": {"fee": "1.12", "speed": "instant"}, "id": "cos_1"}
    assert previous(before, after) == {"status": "initialized", "details": {"fee": None}}
