"""Every key replaced while money is under way: no call fails, no event is refused, nothing waits for a person."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from db.customers import NewLink
from db.engine import make_engine, unit_of_work
from ops.actions.customers import add_customer
from ops.actions.desk import Desk
from ops.cli.system import PRODUCT, is_ready
from tests.support.fleet import Fleet

pytestmark = pytest.mark.timeout(400)

TROUBLE = """
    SELECT (SELECT count(*) FROM dead_letters) AS letters,
           (SELECT count(*) FROM flows WHERE parked_at IS NOT NULL) AS parked,
           (SELECT count(*) FROM provider_gates WHERE paused) AS paused,
           (SELECT count(*) FROM attempts WHERE outcome IN ('misconfigured', 'rejected', 'unknown', 'error')) AS failed
"""


@dataclass(frozen=True, slots=True)
class Keys:
    """What the pretended providers take, and sign with where that is no key pair: the seed's events, and Stripe's."""

    due: str
    alpaca_id: str
    alpaca_secret: str
    legacy_secret: str
    stripe: str
    stripe_webhook: str


NEW = Keys(
    due="due-new-key",
    alpaca_id="CKSANDBOX0000000002",
    alpaca_secret="alpaca-new-secret",
    legacy_secret="due-legacy-new-secret",
    stripe="sk_test_new",
    stripe_webhook="whsec_new",
)


class Rotation:
    """The fleet, and somebody of it whose virtual account is in legacy_offramp."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        said = fleet.system.sandbox or {}
        self.old = Keys(
            due=said["due_api_key"],
            alpaca_id=said["alpaca_key_id"],
            alpaca_secret=said["alpaca_secret"],
            legacy_secret=said["due_legacy_secret"],
            stripe=said["stripe_secret_key"],
            stripe_webhook=said["stripe_webhook_secret"],
        )
        self._endpoint, *_ = self._control("GET", "due/webhook_endpoints")
        self._legacy = self._control("POST", "customers", {"name": "rotation"})
        self._announced = 0
        self._sold: list[str] = []
        attributes = {"mode": "legacy_offramp", "account": self._legacy["account"]}
        links = [
            self._link("due", "virtual_account", attributes),
            self._link("alpaca", "brokerage_account", {}),
        ]
        engine = make_engine(fleet.system.services.database_url, pool=1)
        add_customer(Desk(begin=unit_of_work(engine), by="test"), "rotation", level=2, links=links)
        engine.dispose()

    def _link(self, provider: str, kind: str, attributes: dict[str, str]) -> NewLink:
        return NewLink(
            customer="rotation",
            provider=provider,
            kind=kind,
            external_id=self._legacy[kind],
            attributes=attributes,
        )

    def _control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.fleet.system.control(method, path, body)

    # At the providers ------------------------------------------------------------------------------------------------

    def providers_take(self, *keys: Keys, sign_with: Keys) -> None:
        """Exactly these keys from now on; with the secrets of one of them events are signed."""
        body = {
            "due_api_keys": [one.due for one in keys],
            "alpaca_keys": [[one.alpaca_id, one.alpaca_secret] for one in keys],
            "due_legacy_secret": sign_with.legacy_secret,
            "stripe_secret_keys": [one.stripe for one in keys],
            "stripe_webhook_secrets": [sign_with.stripe_webhook],
        }
        self._control("PUT", "keys", body)

    def stripe_rolls(self, *keys: Keys) -> None:
        """Stripe signs each event once with the secret of each of these, as for a day after a roll."""
        self._control("PUT", "keys", {"stripe_webhook_secrets": [one.stripe_webhook for one in keys]})

    def renew_webhook_key(self, number: int | None = None) -> str:
        """Due signs its events with another key; its public half as a setting wants it."""
        body = {} if number is None else {"number": number}
        renewed = self._control("POST", f"due/webhook_endpoints/{self._endpoint['id']}/key", body)
        return str(renewed["public_key_der"])

    def refusals(self) -> int:
        """How many of the latest calls were told 401."""
        return sum(one["status"] == 401 for one in self._control("GET", "requests?limit=2000"))

    # Here ------------------------------------------------------------------------------------------------------------

    def restart(self, *keys: Keys, public_keys: str) -> None:
        """One process after the other, as a deployment would, each with all these keys, the newest first."""
        system = self.fleet.system
        environment = {
            "DUE_API_KEY": ",".join(one.due for one in keys),
            "ALPACA_KEY_ID": ",".join(one.alpaca_id for one in keys),
            "ALPACA_SECRET": ",".join(one.alpaca_secret for one in keys),
            "DUE_WEBHOOK_PUBLIC_KEYS": public_keys,
            "DUE_LEGACY_WEBHOOK_SECRET": ",".join(one.legacy_secret for one in keys),
            "STRIPE_SECRET_KEY": ",".join(one.stripe for one in keys),
            "STRIPE_WEBHOOK_SECRETS": ",".join(one.stripe_webhook for one in keys),
        }
        for name in PRODUCT:
            metrics = {} if name == "web" else {"METRICS_PORT": str(urlsplit(system.metrics[name]).port)}
            self.fleet.retire(name)
            self.fleet.add(name, name, **environment, **metrics)
        self.fleet.wait(lambda: is_ready(system.web), "web answers again")

    def send(self) -> set[str]:
        """Deposits of both modes arrive, and a Checkout page is paid; the transfers of what Due converts by itself."""
        self._announced += 1
        page = self._control(
            "POST", "stripe/checkout_sessions", {"amount": "250.00", "client_reference_id": "rotation"}
        )
        self._control("POST", f"stripe/checkout_sessions/{page['id']}/pay", {})
        self._sold.append(page["id"])
        body = {
            "virtual_account_id": self._legacy["virtual_account"],
            "amount": f"{500 + self._announced}.00",
            "expects_account": self._legacy["brokerage_account"],
        }
        self._control("POST", "due/legacy_deposits", body)
        return self.fleet.send(5)

    def converted(self) -> set[str]:
        """The transfers of what was announced in the seed's way, once there are as many."""

        def found() -> set[str]:
            mine = self._legacy["virtual_account"]
            shown = self._control("GET", "due/transfers")
            return {one["id"] for one in shown if one["source"].get("virtualAccountId") == mine}

        self.fleet.wait(lambda: len(found()) == self._announced, "every announced deposit converted")
        return found()

    def credited(self) -> None:
        """Wait until every page that was paid is the customer's to claim."""

        def states() -> list[str]:
            query = """
                SELECT f.state FROM flow_references r JOIN flows f ON f.id = r.flow_id
                 WHERE r.provider = 'stripe' AND r.kind = 'checkout_session' AND r.external_id = ANY(%s)
            """
            return [row["state"] for row in self.fleet.rows(query, self._sold)]

        self.fleet.wait(lambda: states() == ["claimable"] * len(self._sold), "every top-up claimable", why=states)

    def refused_events(self) -> int:
        """How many events the door has refused so far, by its own log."""
        return self.fleet.system.supervisor.log("web").read_text(errors="replace").count("webhook.refused")


@pytest.fixture
def rotation(fleet: Fleet) -> Iterator[Rotation]:
    """At its end everybody has the keys they had, so that the fleet runs on for other tests."""
    rotation = Rotation(fleet)
    yield rotation
    rotation.providers_take(NEW, rotation.old, sign_with=rotation.old)
    rotation.renew_webhook_key(0)
    rotation.restart(rotation.old, public_keys=fleet.system.environment["DUE_WEBHOOK_PUBLIC_KEYS"])


def test_keys_are_replaced_under_load_without_a_failed_call(fleet: Fleet, rotation: Rotation) -> None:
    """As the runbook says: both keys here, then the provider's change, then the old ones out."""
    (before,) = fleet.rows(TROUBLE)
    refused = rotation.refused_events()
    old_public = fleet.system.environment["DUE_WEBHOOK_PUBLIC_KEYS"]
    new_public = rotation.renew_webhook_key()
    rotation.renew_webhook_key(0)
    rotation.stripe_rolls(NEW, rotation.old)

    sent = rotation.send()
    fleet.under_way(sent, at_least=2)
    rotation.restart(NEW, rotation.old, public_keys=f"{new_public},{old_public}")
    sent |= rotation.send()
    fleet.under_way(sent, at_least=8)
    fleet.wait(rotation.refusals, "the new keys tried first, and not taken yet")

    rotation.providers_take(NEW, sign_with=NEW)
    rotation.renew_webhook_key(1)
    sent |= rotation.send()
    fleet.under_way(sent, at_least=12)
    rotation.restart(NEW, public_keys=new_public)
    sent |= rotation.send()

    fleet.finished(sent | rotation.converted())
    rotation.credited()
    assert fleet.rows(TROUBLE) == [before]
    assert rotation.refused_events() == refused
