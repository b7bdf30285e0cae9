"""The fleet's figures: right on a few rows, and cheap beside very many that are over."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, TextClause, text

from db import fleet
from ops.reports.metrics import FIGURES, PREFIX, fleet_metrics
from tests.support.fleet_rows import FleetRows, samples
from tests.support.moved_clock import MovedClock

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def clock(engine: Engine) -> MovedClock:
    return MovedClock(engine)


@pytest.fixture
def rows(clock: MovedClock) -> FleetRows:
    return FleetRows(clock)


def figure(clock: MovedClock, name: str) -> dict[tuple[str, ...], float]:
    with clock.begin() as connection:
        return samples(connection)[name]


class TestFigures:
    def test_are_all_there_on_an_empty_database(self, clock: MovedClock) -> None:
        """A fresh deployment must not look like a broken one, and an absent clock must be seen."""
        with clock.begin() as connection:
            found = samples(connection)
        assert found.pop("live_sessions") == {(): 0}
        assert found.pop("clock_led") == {(): 0}
        assert found.pop("due_rows") == {(q,): 0 for q in ("flows", "events", "ticks", "looks", "notifications")}
        assert set(map(len, found.values())) == {0}

    def test_can_be_scraped(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.event()
        rows.a_break(amount=5, asset="USD")
        with clock.begin() as connection:
            families = list(fleet_metrics(connection))

        class Fixed:
            def collect(self) -> list[object]:
                return list(families)

        registry = CollectorRegistry()
        registry.register(Fixed())  # type: ignore[arg-type]
        read = {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}
        assert [f"{PREFIX}{f.name}" for f in FIGURES] == list(read)
        assert read["rampkeeper_amount_at_risk"].samples[0].value == 5

    def test_count_recent_events_by_source_and_state(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.event()
        rows.event()
        rows.event(source="poll", state="dead")
        rows.event(ago=2 * HOUR)
        assert figure(clock, "recent_events") == {("due", "webhook", "handled"): 2, ("due", "poll", "dead"): 1}

    def test_tell_the_lag_and_count_the_age_of_what_is_not_handled(self, clock: MovedClock, rows: FleetRows) -> None:
        for seconds in (1, 2, 3):
            rows.event(took=timedelta(seconds=seconds))
        rows.event(provider="alpaca", state="received", ago=10 * MINUTE)
        rows.event(provider="alpaca", state="deferred", ago=12 * MINUTE)
        assert figure(clock, "event_lag_seconds") == {
            ("due", "0.5"): 2,
            ("due", "0.95"): 3,
            ("due", "1"): 3,
            ("alpaca", "0.5"): 600,
            ("alpaca", "0.95"): 600,
            ("alpaca", "1"): 600,
        }

    def test_sort_attempts_by_who_let_whom_down(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.attempt()
        rows.attempt(outcome="unknown")
        rows.attempt(outcome="rejected", provider="alpaca", step="fund_brokerage")
        rows.attempt(ago=3600)
        assert figure(clock, "recent_steps") == {
            ("due", "follow_transfer", "advanced", "ok"): 1,
            ("due", "follow_transfer", "unknown", "error"): 1,
            ("alpaca", "fund_brokerage", "rejected", "refused"): 1,
        }

    def test_show_how_old_and_how_much_is_due(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.flow(due_ago=90 * SECOND)
        rows.flow(due_ago=30 * SECOND)
        rows.flow(due_ago=-30 * SECOND)
        rows.event(state="received", ago=5 * SECOND)
        rows.notification(state="due")
        assert figure(clock, "oldest_due_seconds") == {("flows",): 90, ("events",): 5, ("notifications",): 0}
        due = figure(clock, "due_rows")
        assert (due["flows",], due["events",], due["notifications",]) == (2, 1, 1)

    def test_show_where_open_money_is(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.flow(state="received")
        rows.flow(state="off_ramp_completed", parked=True)
        rows.flow(state="broker_funded", status="resting")
        assert figure(clock, "open_flows") == {
            ("due_deposit", "received", "false"): 1,
            ("due_deposit", "off_ramp_completed", "true"): 1,
        }

    def test_show_how_begun_flows_fare(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.flow(state="broker_funded", status="resting")
        rows.flow(state="broker_funded", status="closed")
        rows.flow(state="returned", status="closed")
        rows.flow(parked=True)
        rows.flow()
        rows.flow(ago=25 * HOUR)
        assert figure(clock, "begun_flows") == {
            ("due_deposit", "succeeded"): 2,
            ("due_deposit", "failed"): 1,
            ("due_deposit", "parked"): 1,
            ("due_deposit", "under_way"): 1,
        }

    def test_add_up_what_customers_owe_and_what_nobody_took(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.owes("ana", 70_00)
        rows.owes("ben", 5_00)
        rows.paid_back("ben", 2_00)
        rows.a_break(type_="unmatched_event", provider="ibex", about="transaction ")
        assert figure(clock, "owed_by_customers") == {("USD",): 73_00}
        assert figure(clock, "untaken_receipts") == {("ibex",): 1}

    def test_count_open_letters_of_flows_and_events(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.letter()
        rows.letter(status="replaying")
        rows.letter(status="resolved")
        rows.letter(of_event=True)
        assert figure(clock, "open_dead_letters") == {
            ("due_deposit", "fund_brokerage", "provider"): 2,
            ("event", "ingest", "provider"): 1,
        }

    def test_count_open_breaks_and_the_money_in_them(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.a_break(amount=100, asset="USD")
        rows.a_break(amount=23, asset="USD", type_="amount_differs")
        rows.a_break(amount=7, asset="USDC")
        rows.a_break(amount=1000, asset="USD", status="closed")
        rows.a_break()
        assert figure(clock, "open_breaks") == {("due", "stuck"): 3, ("due", "amount_differs"): 1}
        assert figure(clock, "amount_at_risk") == {("USD",): 123, ("USDC",): 7}

    def test_count_what_nobody_heard_of(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.notification(state="held", ago=timedelta(days=30))
        rows.notification(state="exhausted")
        rows.notification(state="exhausted", ago=timedelta(days=8))
        rows.notification(state="delivered")
        assert figure(clock, "undelivered_notifications") == {("webhook", "held"): 1, ("webhook", "exhausted"): 1}

    def test_show_gates(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.gate(breaker="open")
        rows.gate(provider="alpaca", paused=True)
        breaker = figure(clock, "breaker_state")
        assert (breaker["due", "open"], breaker["due", "closed"], breaker["alpaca", "closed"]) == (1, 0, 1)
        assert figure(clock, "provider_paused") == {("due",): 0, ("alpaca",): 1}

    def test_show_who_is_at_work(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.session()
        rows.session(dead=True)
        rows.lease(left=10 * SECOND)
        assert figure(clock, "live_sessions") == {(): 1}
        assert figure(clock, "clock_led") == {(): 1}
        clock.forward(MINUTE)
        assert figure(clock, "clock_led") == {(): 0}

    def test_show_when_jobs_last_ticked(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.job(job="poll", every=MINUTE, last_slot_ago=5 * MINUTE)
        rows.job(job="retention", every=timedelta(days=1), last_slot_ago=20 * HOUR)
        rows.job(job="never", every=HOUR, last_slot_ago=None)
        assert figure(clock, "clock_tick_age_seconds") == {("poll",): 300, ("retention",): 72_000, ("never",): 86_400}
        assert figure(clock, "clock_tick_late_seconds") == {("poll",): 180, ("retention",): 0, ("never",): 79_200}


class TestSilence:
    def test_is_seen_when_polls_find_what_nobody_told_us(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.heard(ago=2 * HOUR)
        for _ in range(3):
            rows.event(source="poll", ago=HOUR)
        assert figure(clock, "provider_silence_seconds") == {("due",): 7200}

    def test_is_no_silence_when_nothing_happens_there(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.heard(ago=48 * HOUR)
        assert figure(clock, "provider_silence_seconds") == {}

    def test_is_not_one_lost_webhook(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.heard(ago=2 * HOUR)
        rows.event(source="poll", ago=HOUR)
        assert figure(clock, "provider_silence_seconds") == {("due",): 0}

    def test_is_not_news_from_before_the_last_word(self, clock: MovedClock, rows: FleetRows) -> None:
        for _ in range(5):
            rows.event(source="poll", ago=HOUR)
        rows.heard(ago=MINUTE)
        assert figure(clock, "provider_silence_seconds") == {("due",): 0}

    def test_counts_from_the_first_news_of_a_provider_never_heard(self, clock: MovedClock, rows: FleetRows) -> None:
        for minutes in (50, 40, 30):
            rows.event(provider="alpaca", source="poll", ago=minutes * MINUTE)
        assert figure(clock, "provider_silence_seconds") == {("alpaca",): 3000}


QUERIES = {name: query for name, query in vars(fleet).items() if isinstance(query, TextClause)}
GROWING = {
    "ledger_accounts",
    "balances",
    "flows",
    "attempts",
    "inbox_events",
    "dead_letters",
    "breaks",
    "notifications",
    "ticks",
    "worker_sessions",
}


class TestCost:
    """Beside very many rows that are over, no query may read a growing table from end to end."""

    @pytest.fixture
    def full(self, engine: Engine) -> Engine:
        with engine.begin() as connection:
            for statement in FULL:
                connection.execute(text(statement))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        return engine

    def test_no_query_scans_what_is_over(self, full: Engine) -> None:
        """Of thousands of pages, each may touch those of a window's newest rows and no more."""
        scans, pages = {}, {}
        with full.connect() as connection:
            for name, query in QUERIES.items():
                bound = {"newest": fleet.NEWEST} if ":newest" in query.text else {}
                (plan,) = connection.execute(
                    text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query.text}"), bound
                ).scalar_one()
                pages[name] = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
                scans[name] = {node["Relation Name"] for node in nodes(plan["Plan"]) if node["Node Type"] == "Seq Scan"}
        assert {name: tables & GROWING for name, tables in scans.items() if tables & GROWING} == {}
        assert {name: count for name, count in pages.items() if count > 100} == {}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


# 60,000 finished things of each kind over the last year, and a few that are not.
FULL = (
    """INSERT INTO flows (id, kind, state, status, created_at, moved_at, closed_at)
       SELECT gen_random_uuid(), 'due_deposit', 'broker_funded', 'closed', t, t, t
         FROM generate_series(1, 60000) i, LATERAL (SELECT now() - i * interval '5 minutes' AS t) s""",
    """INSERT INTO flows (id, kind, state, due_at) SELECT gen_random_uuid(), 'due_deposit', 'received', now()
         FROM generate_series(1, 50)""",
    """INSERT INTO attempts (id, flow_id, step, visit, number, fence, session_id, finished_at, outcome, provider)
       SELECT gen_random_uuid(), id, 'fund_brokerage', 1, 1, 1, gen_random_uuid(), created_at, 'advanced', 'due'
         FROM flows""",
    """INSERT INTO inbox_events (provider, event_id, route, source, body_digest, state, received_at, due_at, handled_at)
       SELECT 'due', i::text, 'due', 'webhook', '', 'handled', t, NULL, t
         FROM generate_series(1, 60000) i, LATERAL (SELECT now() - i * interval '5 minutes' AS t) s""",
    """INSERT INTO dead_letters (id, flow_id, kind, step, error, message, blame, fingerprint, attempts, status)
       SELECT gen_random_uuid(), id, kind, 's', 'e', 'm', 'us', 'f', 1, 'resolved' FROM flows""",
    """INSERT INTO breaks (id, provider, type, subject, status, found_by, amount_at_risk, asset)
       SELECT gen_random_uuid(), 'due', 'stuck', i::text, 'closed', 'sweep', 1, 'USD'
         FROM generate_series(1, 60000) i""",
    """INSERT INTO notifications (id, type, cause, channel, data, happened_at, state, due_at)
       SELECT gen_random_uuid(), 'deposit.funded', i::text, 'webhook', '{}', now(), 'delivered', NULL
         FROM generate_series(1, 60000) i""",
    """INSERT INTO clock_jobs (job, every, term) SELECT 'job' || j, '1 minute', 1 FROM generate_series(1, 8) j""",
    """INSERT INTO ticks (job, slot, term, due_at, finished_at)
       SELECT 'job' || j, now() - i * interval '1 minute', 1, NULL, now()
         FROM generate_series(1, 8) j, generate_series(1, 2500) i""",
    """INSERT INTO worker_sessions (id, host, pid, dead_at) SELECT gen_random_uuid(), 'h', 1, now()
         FROM generate_series(1, 20000)""",
    """INSERT INTO ledger_accounts (owner, name, kind, asset)
       SELECT 'customer:' || i, 'deposit', 'liability', 'USD' FROM generate_series(1, 60000) i""",
    """INSERT INTO ledger_accounts (owner, name, kind, asset) VALUES ('customer:1', 'receivable', 'asset', 'USD')""",
    "INSERT INTO balances (account_id, posted) SELECT id, 100 FROM ledger_accounts",
)
