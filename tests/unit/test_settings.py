"""Settings: what a good environment becomes, and how a bad one is told."""

import base64
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from settings import Settings, SettingsError, load
from settings.page import markdown
from tests.support.door import Signer
from tests.support.signing import bridge_key

NEEDED = {"DATABASE_URL": "postgresql://u:hunter2@db/r", "REDIS_URL": "redis://:hunter2@q/0"}
DUE = {"DUE_API_KEY": "k1", "DUE_BASE_URL": "https://api.due.network"}
ALPACA = {
    "ALPACA_KEY_ID": "id1",
    "ALPACA_SECRET": "s1",
    "ALPACA_FIRM_ACCOUNT_ID": "9f0d",
    "ALPACA_BASE_URL": "https://broker-api.alpaca.markets/",
}
BRIDGE = {"BRIDGE_API_KEY": "k1", "BRIDGE_BASE_URL": "https://api.bridge.xyz"}
IBEX_CLIENT = {
    "IBEX_CLIENT_ID": "c1",
    "IBEX_CLIENT_SECRET": "s1",
    "IBEX_AUTH_URL": "https://auth.hub.poweredbyibex.io/",
    "IBEX_AUDIENCE": "https://ibexhub.ibexmercado.com",
}
IBEX_LOGIN = {"IBEX_EMAIL": "ops%40you.example", "IBEX_PASSWORD": "p1"}
IBEX_API = {"IBEX_BASE_URL": "https://ibexhub-api.poweredbyibex.io"}
STRIPE = {"STRIPE_SECRET_KEY": "sk_1", "STRIPE_BASE_URL": "https://api.stripe.com"}
RSA = bridge_key().der_base64
AES = base64.b64encode(bytes(32)).decode()


def problems(**environ: str) -> dict[str, str]:
    """What is wrong, by name; it fails when a value shows up anywhere."""
    with pytest.raises(SettingsError) as caught:
        load({**NEEDED, **environ})
    for value in environ.values():
        if len(value) > 3:
            reasons = " ".join(problem.reason for problem in caught.value.problems)
            assert value not in reasons
    assert caught.value.__cause__ is None
    return {problem.name: problem.reason for problem in caught.value.problems}


# Half as long as Bridge's own.
SHORT_RSA = base64.b64encode(
    RSAPublicNumbers(65_537, 1 << 1023 | 1).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
HASH = "scrypt.15.8.1.3QeZD4NV3nIW1oeH5Z-gfA.QgvHB-UJQEJ2zxX8zGR6ZcXierwyU7uEIp819ANsllo"  # no password has it


class TestGood:
    def test_the_defaults_suit_production(self) -> None:
        read = load(NEEDED)

        assert (read.port, read.web_host, read.log_level) == (8000, "0.0.0.0", "info")  # noqa: S104 - the default told
        assert (read.poll, read.retry_first, read.retry_tries) == (timedelta(minutes=1), timedelta(minutes=1), 3)
        assert read.receiver_rate_per_source is None
        assert not read.due.enabled
        assert not any(one.enabled for one in (read.alpaca, read.bridge, read.ibex, read.stripe))
        assert (read.bridge.developer_fee_percent, read.ibex.network) == (Decimal("0.5"), "tron")
        assert read.bridge.webhook_tolerance == timedelta(minutes=10)
        assert read.stripe.webhook_tolerance == timedelta(minutes=5)
        assert not read.notify.allow_private

    def test_empty_counts_as_unset(self) -> None:
        assert load({**NEEDED, "PORT": " ", "DUE_API_KEY": ""}) == load(NEEDED)

    def test_credentials_enable_a_provider_and_false_refuses_new_flows(self) -> None:
        assert load({**NEEDED, **DUE}).due.enabled
        assert not load({**NEEDED, **DUE, "DUE_ENABLED": "false"}).due.enabled

    def test_receiving_keys_need_no_api_credentials(self) -> None:
        read = load({**NEEDED, "DUE_WEBHOOK_PUBLIC_KEYS": Signer().setting})

        assert read.due.webhook_public_keys is not None
        assert read.due.webhook_public_keys[0].value == Signer().der
        assert not read.due.enabled

    @pytest.mark.parametrize(
        ("name", "given"),
        [
            ("bridge", BRIDGE),
            ("ibex", IBEX_API | IBEX_CLIENT),
            ("ibex", IBEX_API | IBEX_LOGIN),
            ("ibex", IBEX_API | IBEX_CLIENT | IBEX_LOGIN),
            ("stripe", STRIPE),
        ],
    )
    def test_each_way_to_be_let_in_enables_its_provider_alone(self, name: str, given: dict[str, str]) -> None:
        read = load({**NEEDED, **given})
        on = {one for one in ("due", "alpaca", "bridge", "ibex", "stripe") if getattr(read, one).enabled}
        assert on == {name}
        assert not getattr(load({**NEEDED, **given, f"{name.upper()}_ENABLED": "false"}), name).enabled

    def test_each_alias_of_bridge_may_have_keys_of_its_own(self) -> None:
        read = load(
            {
                **NEEDED,
                "BRIDGE_WEBHOOK_PUBLIC_KEYS": f"{RSA}@2026-01-01/,{bridge_key(1).der_base64}",
                "BRIDGE_DEPOSIT_WEBHOOK_PUBLIC_KEYS": bridge_key(2).der_base64,
                "BRIDGE_WEBHOOK_TOLERANCE_S": "30",
            }
        ).bridge

        assert [key.value for key in read.webhook_public_keys or ()] == [
            base64.b64decode(bridge_key(number).der_base64) for number in (0, 1)
        ]
        assert [key.value for key in read.deposit_webhook_public_keys or ()] == [
            base64.b64decode(bridge_key(2).der_base64)
        ]
        assert read.kyc_webhook_public_keys is read.transfer_webhook_public_keys is None
        assert read.webhook_tolerance == timedelta(seconds=30)
        assert not read.enabled

    def test_where_requests_come_from_are_addresses_and_networks(self) -> None:
        read = load(
            {**NEEDED, "IBEX_SOURCE_ADDRESSES": "34.148.92.171, 2001:db8::/64", "TRUSTED_PROXIES": "10.0.0.0/8"}
        )

        assert read.ibex.source_addresses == (ip_network("34.148.92.171/32"), ip_network("2001:db8::/64"))
        assert read.trusted_proxies == (ip_network("10.0.0.0/8"),)

    def test_an_e_mail_address_is_written_with_its_at_sign_encoded(self) -> None:
        """Like every entry of a list that may carry a window."""
        (email,) = load({**NEEDED, **IBEX_API, **IBEX_LOGIN}).ibex.email or ()

        assert email.value.reveal() == "ops@you.example"
        assert "IBEX_EMAIL" in problems(**IBEX_API, **IBEX_LOGIN | {"IBEX_EMAIL": "ops@you.example"})

    def test_a_list_is_newest_first_with_windows_and_decoded(self) -> None:
        text = "new@2026-01-02T03:00:00+02:00/, a%2Cb%40c%25@2025-12-31/2026-06-30,@plain%40".replace(",@", ",")
        keys = load({**NEEDED, **DUE, "DUE_API_KEY": text}).due.api_key

        assert keys is not None
        assert [key.value.reveal() for key in keys] == ["new", "a,b@c%", "plain@"]
        assert keys[0].not_before == datetime(2026, 1, 2, 1, tzinfo=UTC)
        assert keys[0].not_after is None
        # A date as the end means all of that day.
        assert keys[1].is_open(datetime(2026, 6, 30, 23, 59, tzinfo=UTC))
        assert not keys[1].is_open(datetime(2026, 7, 1, tzinfo=UTC))

    def test_every_value_gets_its_type(self) -> None:
        read = load(
            {
                **NEEDED,
                **ALPACA,
                "STATE_LIMITS": "due_deposit.received=24h, due_deposit.off_ramp_initiated=90m",
                "ENCRYPTION_KEYS": f"b:{AES},a:{AES}",
                "OPS_USERS": f"ana:approver:{HASH},bo:viewer:{HASH}",
                "RECEIVER_RATE_PER_SOURCE": "100/second",
                "NOTIFY_WEBHOOK_URL": "http://127.0.0.1:9/hook",
                "NOTIFY_WEBHOOK_SECRETS": f"whsec_{AES}",
                "NOTIFY_ALLOW_PRIVATE": "1",
                "NOTIFY_APPRISE_URLS": "mailto://a%40b:c@d, json://e",
            }
        )

        assert read.alpaca.base_url == "https://broker-api.alpaca.markets"
        assert read.state_limits == {
            "due_deposit.received": timedelta(days=1),
            "due_deposit.off_ramp_initiated": timedelta(minutes=90),
        }
        assert [key.id for key in read.encryption_keys or ()] == ["b", "a"]
        assert read.ops_users is not None
        assert [(user.name, user.role) for user in read.ops_users] == [("ana", "approver"), ("bo", "viewer")]
        assert {user.password_hash.reveal() for user in read.ops_users} == {HASH}
        assert [address.reveal() for address in read.notify.apprise_urls or ()] == ["mailto://a%40b:c@d", "json://e"]

    def test_no_secret_shows_in_its_representation(self) -> None:
        read: Settings = load({**NEEDED, **DUE, "DUE_API_KEY": "hunter2", "ENCRYPTION_KEYS": f"a:{AES}"})

        assert "hunter2" not in repr(read)
        assert repr(bytes(32)) not in repr(read)


class TestBad:
    def test_all_are_told_at_once_with_name_reason_and_example(self) -> None:
        with pytest.raises(SettingsError) as caught:
            load({"PORT": "99999"})

        told = str(caught.value)
        assert "DATABASE_URL: is missing; for example DATABASE_URL=postgresql://" in told
        assert "REDIS_URL: is missing" in told
        assert "PORT: must be a whole number from 1 to 65535; for example PORT=8000" in told

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DATABASE_URL", "mysql://hunter2"),
            ("REDIS_URL", "http://hunter2"),
            ("DATABASE_POOLER", "statement"),
            ("LOG_LEVEL", "loud"),
            ("PORT", "0"),
            ("PORT", "٨٠٠٠"),
            ("POLL_S", "nan"),
            ("POLL_S", "0"),
            ("POLL_S", "1e99999999"),
            ("RETRY_TRIES", "1.5"),
            ("RETRY_FIRST_S", "a while"),
            ("RECEIVER_RATE_PER_SOURCE", "0/second"),
            ("RECEIVER_RATE_PER_SOURCE", "100 per second"),
            ("STATE_LIMITS", "due_deposit.received:24h"),
            ("STATE_LIMITS", "received=24h"),
            ("ENCRYPTION_KEYS", AES),
            ("ENCRYPTION_KEYS", f"a:{AES[:20]}"),
            ("ENCRYPTION_KEYS", f"a:{AES},a:{AES}"),
            ("OPS_USERS", "ana:approver"),
            ("OPS_USERS", f"ana:boss:{HASH}"),
            ("OPS_USERS", f"<ana>:viewer:{HASH}"),
            ("OPS_USERS", f"ana:viewer:{HASH},ana:approver:{HASH}"),
            ("OPS_USERS", "ana:viewer:hunter2hunter2"),
            ("OPS_USERS", f"ana:viewer:{HASH[:-8]}"),
            ("OPS_USERS", f"ana:viewer:{HASH.replace('scrypt.15', 'scrypt.30')}"),
            ("OPS_USERS", f"ana:viewer:{HASH[:-1]}!"),
            ("DUE_ENABLED", "maybe"),
            ("DUE_BASE_URL", "https://api.due.network/v1"),
            ("DUE_BASE_URL", "https://user:hunter2@api.due.network"),
            ("DUE_BASE_URL", "api.due.network"),
            ("DUE_BASE_URL", "https://api.due.network:port"),
            ("DUE_WEBHOOK_PUBLIC_KEYS", "!hunter2!"),
            ("DUE_WEBHOOK_PUBLIC_KEYS", AES),
            ("DUE_WEBHOOK_PUBLIC_KEYS", Signer().setting + "@2026-01-01"),
            ("DUE_WEBHOOK_PUBLIC_KEYS", Signer().setting + "@yesterday/"),
            ("DUE_WEBHOOK_PUBLIC_KEYS", Signer().setting + "@2026-02-01/2026-01-01"),
            ("DUE_WEBHOOK_PUBLIC_KEYS", Signer().setting + "@9999-12-31/9999-12-31"),
            ("DUE_LEGACY_WEBHOOK_SECRET", "hunter2@home"),
            *((f"{one}_WEBHOOK_TOLERANCE_S", "0") for one in ("DUE", "BRIDGE", "IBEX", "STRIPE")),
            ("BRIDGE_WEBHOOK_TOLERANCE_S", "-600"),
            ("STRIPE_WEBHOOK_TOLERANCE_S", "5m"),
            ("BRIDGE_WEBHOOK_PUBLIC_KEYS", "!hunter2!"),
            ("BRIDGE_WEBHOOK_PUBLIC_KEYS", Signer().setting),
            ("BRIDGE_WEBHOOK_PUBLIC_KEYS", SHORT_RSA),
            ("BRIDGE_KYC_WEBHOOK_PUBLIC_KEYS", Signer().setting),
            ("BRIDGE_DEPOSIT_WEBHOOK_PUBLIC_KEYS", "hunter2"),
            ("BRIDGE_TRANSFER_WEBHOOK_PUBLIC_KEYS", AES),
            ("DUE_WEBHOOK_PUBLIC_KEYS", RSA),
            ("BRIDGE_DEVELOPER_FEE_PERCENT", "0.5%"),
            ("BRIDGE_DEVELOPER_FEE_PERCENT", "-0.5"),
            ("BRIDGE_DEVELOPER_FEE_PERCENT", "100"),
            ("BRIDGE_DEVELOPER_FEE_PERCENT", "5e-1"),
            ("BRIDGE_DEVELOPER_FEE_PERCENT", "0.12345"),
            ("IBEX_NETWORK", "bitcoin"),
            ("IBEX_AUTH_URL", "https://auth.hub.poweredbyibex.io/oauth/token"),
            ("IBEX_AUDIENCE", "two words"),
            ("IBEX_WEBHOOK_SECRETS", "%20" * 12),
            ("IBEX_WEBHOOK_SECRETS", "long-enough-by-far,hunter2hunt"),
            ("IBEX_WEBHOOK_SECRETS", "hunter2@home"),
            ("IBEX_SOURCE_ADDRESSES", "ibex.example"),
            ("IBEX_SOURCE_ADDRESSES", "34.148.92.171/24"),
            ("TRUSTED_PROXIES", "10.0.0.0/33"),
            ("STRIPE_WEBHOOK_SECRETS", "whsec_a b"),
            ("STRIPE_SECRET_KEY", "sk_\u00e9"),
            ("NOTIFY_WEBHOOK_SECRETS", "whsec_c2hvcnQ="),
            ("NOTIFY_WEBHOOK_URL", "ftp://hunter2"),
        ],
    )
    def test_a_malformed_one_stops_the_start(self, name: str, value: str) -> None:
        assert name in problems(**{name: value})

    def test_an_enabled_provider_must_be_whole(self) -> None:
        assert set(problems(DUE_ENABLED="true")) == {"DUE_API_KEY", "DUE_BASE_URL"}
        assert set(problems(DUE_API_KEY="k1")) == {"DUE_BASE_URL"}
        assert set(problems(**{**ALPACA, "ALPACA_SECRET": ""})) == {"ALPACA_SECRET"}
        assert set(problems(**{**ALPACA, "ALPACA_KEY_ID": "id2,id1"})) == {"ALPACA_SECRET"}
        assert set(problems(BRIDGE_ENABLED="1")) == {"BRIDGE_API_KEY", "BRIDGE_BASE_URL"}
        assert set(problems(STRIPE_SECRET_KEY="sk_1")) == {"STRIPE_BASE_URL"}

    def test_one_of_two_ways_must_be_whole(self) -> None:
        assert set(problems(IBEX_ENABLED="1")) == {*IBEX_CLIENT, *IBEX_API}
        assert set(problems(IBEX_EMAIL="ops", **IBEX_API)) == {"IBEX_PASSWORD"}
        assert set(problems(IBEX_PASSWORD="p1", **IBEX_API)) == {"IBEX_EMAIL", "IBEX_PASSWORD"}
        assert set(problems(IBEX_AUDIENCE="a", **IBEX_LOGIN, **IBEX_API)) == {*IBEX_CLIENT} - {"IBEX_AUDIENCE"}
        assert set(problems(**IBEX_API, **IBEX_CLIENT | {"IBEX_CLIENT_ID": "c2,c1"})) == {"IBEX_CLIENT_SECRET"}

    def test_a_notified_address_must_be_signed_for_and_private_only_when_permitted(self) -> None:
        assert set(problems(NOTIFY_WEBHOOK_URL="https://you.example")) == {"NOTIFY_WEBHOOK_SECRETS"}
        plain = problems(NOTIFY_WEBHOOK_URL="http://you.example", NOTIFY_WEBHOOK_SECRETS=f"whsec_{AES}")
        assert set(plain) == {"NOTIFY_WEBHOOK_URL"}


def test_the_committed_page_is_what_the_code_makes() -> None:
    committed = Path(__file__).parents[2] / "docs" / "settings.md"

    assert committed.read_text() == markdown(), "run: python -m settings > docs/settings.md"
