"""The benchmark of whole deposits: its providers are real enough for our clients, and its counts tell the truth."""

import json
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from benchmarks import _events, flows
from benchmarks import _webhooks as webhooks
from benchmarks._feed import feed
from benchmarks._instant import FIRM, brokerage_account
from benchmarks._kinds import KINDS
from benchmarks._processes import BenchmarkFailed, cpu_s
from benchmarks._watch import Statements
from embedded.ports import free_port, is_listening
from funding.facts import Changed
from funding.money import Money
from funding.ports.alpaca import JournalOrder, JournalStatus
from funding.ports.bridge import PayoutOrder, Stage, TransferState
from funding.ports.due import TransferStatus
from funding.ports.ibex import SendOrder
from funding.ports.stripe import PaymentStatus
from providers.alpaca.adapter import AlpacaAdapter
from providers.bridge.adapter import BridgeAdapter
from providers.bridge.interpret import interpret as interpret_bridge
from providers.credentials import basic, bearer
from providers.due.adapter import DueAdapter
from providers.due.interpret import interpret
from providers.http import ProviderClient
from providers.ibex.adapter import IbexAdapter
from providers.stripe.adapter import StripeAdapter
from providers.stripe.interpret import interpret as interpret_stripe
from tests.support.waiting import eventually

PEERS = Path(flows.__file__).with_name("peers")
REFERENCE = "0b6d5b0e-8a53-4f5f-8f4e-6f0f6a3f7c11"


class TestInstantProviders:
    """Asked by the product's own clients."""

    def test_a_transfer_is_what_its_webhook_said(self, instant: str) -> None:
        (told,) = interpret(webhooks.body(42), source="webhook").facts
        assert isinstance(told, Changed)
        assert told.opening is not None
        shown = DueAdapter(a_client("due", instant)).get_transfer(webhooks.transfer_id(42), account="acct_0042")

        assert shown.status is TransferStatus.PAYMENT_PROCESSED
        assert (told.id, told.opening.amount) == (shown.id, shown.source)
        assert told.opening.link_id == shown.virtual_account
        assert shown.destination.minor + shown.destination_fee.minor == 25_000

    def test_a_journal_is_made_once_for_each_key_and_counted_by_its_transfer(self, instant: str) -> None:
        alpaca = AlpacaAdapter(a_client("alpaca", instant), firm_account=FIRM)
        first, again = UUID(int=1), UUID(int=2)
        body = alpaca.journal_request(an_order(7))

        journal = alpaca.create_journal(body, key=first)
        assert journal.status is JournalStatus.EXECUTED
        assert alpaca.create_journal(body, key=first) == journal
        assert not flows.not_once(journals(instant), 7, 1)

        other = alpaca.create_journal(body, key=again)
        assert other.id != journal.id
        assert flows.not_once(journals(instant), 7, 2) == {"tf_000000000007": 2, "tf_000000000008": 0}
        assert [one.id for one in alpaca.find_journals(REFERENCE, since=NOW, to_account=journal.to_account)] == [
            journal.id,
            other.id,
        ]

    def test_every_kind_of_event_passes_our_door_and_its_facts_are_what_the_providers_show(self, instant: str) -> None:
        (told,) = interpret_bridge(content(_events.deposit_processed(42)), source="webhook").facts
        assert isinstance(told, Changed)
        assert told.opening is not None
        where = told.opening.data
        bridge = BridgeAdapter(a_client("bridge", instant))
        deposit = bridge.get_deposit(told.id, customer=where["customer"], virtual_account=where["virtual_account"])
        assert deposit.stages[-1].stage is Stage.PAYMENT_PROCESSED
        ibex = IbexAdapter(a_client("ibex", instant))
        (arrived,) = ibex.list_arrivals(_events.person(42).account, since=NOW - timedelta(hours=1))
        assert arrived.amount == deposit.stages[-1].amount
        assert ibex.get_transaction(arrived.id).chain_hash == deposit.stages[-1].chain_hash

        (paid,) = interpret_stripe(content(_events.page_paid(42)), source="webhook").facts
        assert isinstance(paid, Changed)
        stripe = StripeAdapter(a_client("stripe", instant))
        page = stripe.get_checkout(paid.id)
        assert (page.status, page.customer) == (PaymentStatus.PAID, _events.person(42).name)
        assert page.payment_intent is not None
        assert not [*stripe.refunds_of(page.payment_intent), *stripe.disputes_of(page.payment_intent)]

    def test_a_payout_is_paid_once_its_tokens_are_sent(self, instant: str) -> None:
        who = _events.person(7)
        bridge, ibex = BridgeAdapter(a_client("bridge", instant)), IbexAdapter(a_client("ibex", instant))
        order = PayoutOrder(
            customer=who.customer,
            external_account=who.bank,
            amount=Money(25_000000, "USDT"),
            network="ethereum",
            reference=REFERENCE,
            return_to=None,
        )
        request = bridge.payout_request(order)
        payout = bridge.create_payout(request, key=UUID(int=7))
        assert bridge.create_payout(request, key=UUID(int=7)).id == payout.id
        assert payout.pay_to is not None
        send = SendOrder(
            account=who.account, address=payout.pay_to, network="ethereum", amount=order.amount, name=REFERENCE
        )
        sent = ibex.send(ibex.send_request(send))
        assert bridge.get_payout(payout.id).state is TransferState.PAYMENT_PROCESSED
        (listed,) = ibex.list_transactions(who.account, since=NOW - timedelta(hours=1))
        assert (listed.id, listed.incoming) == (sent.transaction_id, None)
        shown = made(instant)
        assert (shown["transfers"], list(shown["sends"].values())) == ({REFERENCE: 1}, [1])


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time is read from /proc")


class TestCounts:
    def test_beginnings_and_ends_of_transactions_are_no_statements(self) -> None:
        counted = Statements(
            calls=[("BEGIN", 9, 0.0), ("commit", 8, 0.0), ("ROLLBACK", 1, 0.0), ("SELECT $1", 30, 0.1)]
        )

        assert (counted.statements, counted.commits) == (30, 8)

    def test_a_ratio_is_taken_round_by_round(self) -> None:
        """Both slow down in the second round: what is compared stays the same."""
        found = flows.figures(
            {"ours": [a_round(80), a_round(20), a_round(90)], "dbos": [a_round(40), a_round(10), a_round(30)]}
        )

        assert found["flows_per_s"] == 80
        assert found["dbos_per_s"] == 30
        assert found["ratio_dbos"] == 2

    @linux
    def test_processor_time_counts_children_and_what_has_ended(self) -> None:
        busy = "import time; began = time.process_time()\nwhile time.process_time() - began < 0.3: pass"
        program = (
            f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])\nprint(flush=True)\ninput()"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            parent.stdout.readline()
            taken = cpu_s([parent.pid])
            parent.communicate(b"\n")

        assert taken >= 0.3


class TestFeed:
    def test_a_webhook_that_is_not_accepted_ends_it(self, door: int) -> None:
        with pytest.raises(BenchmarkFailed, match="answered duplicate"):
            feed(door, [webhooks.request(1), webhooks.request(2)])


class TestPeersLock:
    def test_names_both_peers_and_a_hash_for_every_package(self) -> None:
        lock = (PEERS / "requirements.lock").read_text()
        pinned = re.findall(r"^([\w-]+)==(\S+)((?: ;[^\\]*)?) \\\n    --hash=sha256:", lock, re.MULTILINE)

        assert len(pinned) == len(re.findall(r"^[\w-]+==", lock, re.MULTILINE))
        versions = {name: version for name, version, _ in pinned}
        assert versions["dbos"].startswith("3.")
        assert versions["celery"].startswith("5.")
        assert "://" not in lock


@linux
@pytest.mark.timeout(400)  # some 8 s; a busy machine needs more to start and stop it all than other tests
def test_whole_deposits_go_through_our_own_processes() -> None:
    """Web, a worker and the clock, on servers of their own: every deposit funded once, its cost counted."""
    size = flows.Size(rounds=1, warm_up=2, deposits=10, workers=1, threads=4)

    found = flows.measure(size, alone=True, list_statements=False)

    assert found["flows_per_s"] > 0
    assert found["cpu_ms_per_flow"] > 0
    assert found["statements_per_flow"] > found["commits_per_flow"] > 1


@linux
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["bridge_on_ramp", "bridge_withdrawal", "stripe_top_up"])
def test_whole_flows_of_other_kinds_go_through_beside_deposits(kind: str) -> None:
    """Each ended where it should, its customer told; what was made at providers was made once."""
    size = flows.Size(rounds=1, warm_up=2, deposits=10, workers=1, threads=4)

    found = flows.measure_kind(KINDS[kind], size)

    assert found["ratio_due"] > 0
    assert found["calls_per_flow"] >= 3


NOW = datetime.now(UTC)


def an_order(number: int) -> JournalOrder:
    return JournalOrder(
        to_account=brokerage_account(number),
        amount=Money(24_950, "USD"),
        reference=REFERENCE,
        subject=webhooks.transfer_id(number),
    )


def a_round(per_s: float) -> flows.Round:
    return flows.Round(
        per_s=per_s,
        cpu_ms=1,
        postgres_cpu_ms=1,
        valkey_cpu_ms=1,
        statements=1,
        commits=1,
        counted=Statements(calls=[]),
    )


class OpenGate:
    def admit(self) -> None:
        pass

    def settle(self, error: BaseException | None) -> None:
        pass


def a_client(provider: str, base_url: str) -> ProviderClient:
    key = basic("key", "secret") if provider == "alpaca" else bearer("key")
    return ProviderClient(provider=provider, base_url=base_url, credentials=[key], gate=OpenGate(), threads=1)


def content(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def made(instant: str) -> dict[str, Any]:
    with closing(urllib.request.urlopen(f"{instant}/_made")) as answer:  # noqa: S310 - our own loopback address
        found: dict[str, Any] = json.load(answer)
    return found


def journals(instant: str) -> dict[str, int]:
    found: dict[str, int] = made(instant)["journals"]
    return found


@pytest.fixture
def instant() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-P", "-m", "benchmarks._instant"]
    with subprocess.Popen(command, env={"PORT": str(port)}) as process:
        try:
            eventually(lambda: is_listening(port), what="the instant providers listen")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture
def door() -> Iterator[int]:
    """Accepts the first webhook, and calls the next a duplicate."""
    answers = iter([b"accepted", b"duplicate"])

    def answer(connection: socket.socket) -> None:
        length = len(webhooks.request(0))
        with connection, suppress(ConnectionError):
            while connection.recv(length, socket.MSG_WAITALL):
                content = b'{"status":"%s"}' % next(answers)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content))

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
