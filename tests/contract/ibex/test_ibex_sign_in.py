"""How we sign in at IBEX: both ways, when a token ends, and how a wrong password is kept from blocking the account."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funding.errors import Misconfigured, ProviderError, ProviderThrottled, ProviderUnavailable, StaleClaim
from providers import guards
from providers.credentials import bearer, signed_in
from providers.http import Request
from providers.ibex.sign_in import ClientCredentials, EmailSignIn, SignIn
from providers.ibex.tokens import TokenHolder
from sandbox.server import SandboxServer
from tests.contract.ibex.client import ByHand, a_sign_in_client, an_adapter, by_client, by_email
from tests.support.clients import a_client
from tests.support.odd_server import OddServer, always, answer, read_request

SINCE = datetime.now(UTC) - timedelta(hours=1)
REFUSED = Misconfigured("ibex answered 401", provider="ibex", status=401)
LOST = ProviderUnavailable("no answer", provider="ibex")


@pytest.fixture
def pretended() -> Iterator[SandboxServer]:
    with SandboxServer(seed=7) as server:
        yield server


def asked(server: SandboxServer) -> list[str]:
    """Paths of every request, in order."""
    return [one["path"] for one in server.world.requests if one["provider"] == "ibex"]


Way = Callable[[SandboxServer], SignIn]


@pytest.mark.parametrize("way", [by_client, by_email])
class TestEitherWay:
    def test_gives_a_token_for_many_calls(self, pretended: SandboxServer, way: Way) -> None:
        account = pretended.world.ibex.first_account_id
        with an_adapter(pretended.urls["ibex"], way(pretended)) as ibex:
            for _ in range(3):
                assert ibex.list_transactions(account, since=SINCE) == []
        assert sum(path in {"/oauth/token", "/auth/signin"} for path in asked(pretended)) == 1

    def test_is_gone_again_once_when_a_token_is_refused(self, pretended: SandboxServer, way: Way) -> None:
        account = pretended.world.ibex.first_account_id
        with an_adapter(pretended.urls["ibex"], way(pretended)) as ibex:
            ibex.list_transactions(account, since=SINCE)
            pretended.world.ibex.tokens.expire(refresh=True)
            assert ibex.list_transactions(account, since=SINCE) == []

    @pytest.mark.parametrize("fault", ["server_error", "throttled", "reply_lost", "hanging_socket"])
    def test_that_gets_no_answer_means_that_nothing_was_sent(
        self, pretended: SandboxServer, way: Way, fault: str
    ) -> None:
        pretended.world.faults.set(fault, "ibex", seconds=5)
        with (
            an_adapter(pretended.urls["ibex"], way(pretended), deadline=3.0) as ibex,
            pytest.raises(ProviderUnavailable),
        ):
            ibex.get_transaction("tx_1")
        assert "/v2/transaction/tx_1" not in asked(pretended)


class TestAnEmail:
    def test_is_needed_no_more_while_its_token_can_be_refreshed(self, pretended: SandboxServer) -> None:
        account = pretended.world.ibex.first_account_id
        with an_adapter(pretended.urls["ibex"], by_email(pretended)) as ibex:
            ibex.list_transactions(account, since=SINCE)
            pretended.world.ibex.tokens.expire()
            ibex.list_transactions(account, since=SINCE)
        paths = asked(pretended)
        assert (paths.count("/auth/signin"), paths.count("/auth/refresh-access-token")) == (1, 1)

    def test_with_a_wrong_password_does_not_block_the_account(self, pretended: SandboxServer) -> None:
        """Every call wants a token, and five failures are too many."""
        with an_adapter(pretended.urls["ibex"], by_email(pretended, password="wrong")) as ibex:
            for _ in range(20):
                with pytest.raises(Misconfigured) as caught:
                    ibex.get_transaction("tx_1")
                assert "wrong" not in str(caught.value)
        assert asked(pretended) == ["/auth/signin"]

    def test_reads_unix_seconds_by_its_own_clock(self) -> None:
        now = datetime(2026, 3, 4, tzinfo=UTC)
        body = b'{"accessToken":"t","accessTokenExpiresAt":%d,"refreshToken":"r","refreshTokenExpiresAt":%d}'
        at = int(now.timestamp())
        with OddServer(always(answer(body=body % (at + 60, at - 5)))) as server:
            grant = EmailSignIn(a_sign_in_client(server.url), email="e", password="p", clock=lambda: now).sign_in()
        assert grant.lives == timedelta(seconds=60)
        assert grant.refresh_lives is None  # over already: the clocks differ, so it is good until refused


class TestClientCredentials:
    def test_are_sent_as_a_form(self) -> None:
        seen: list[bytes] = []

        def behave(connection: Any, stopping: threading.Event) -> None:
            seen.append(read_request(connection))
            connection.sendall(answer(body=b'{"access_token":"eyJ.a"}'))

        with OddServer(behave) as server:
            client = a_sign_in_client(server.url)
            grant = ClientCredentials(client, client_id="a b", client_secret="s&=", audience="https://x").sign_in()
            client.close()
        assert (grant.access, grant.lives) == ("eyJ.a", None)  # how long it lives may be left out
        assert b"Content-Type: application/x-www-form-urlencoded\r\n" in seen[0]
        assert seen[0].endswith(
            b"grant_type=client_credentials&client_id=a+b&client_secret=s%26%3D&audience=https%3A%2F%2Fx"
        )

    @pytest.mark.parametrize("name", ["client_secret", "audience"])
    def test_that_are_wrong_are_our_mistake(self, pretended: SandboxServer, name: str) -> None:
        with (
            an_adapter(pretended.urls["ibex"], by_client(pretended, **{name: "wrong"})) as ibex,
            pytest.raises(Misconfigured),
        ):
            ibex.get_transaction("tx_1")

    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            (answer("400 X", b'{"error":"invalid_client sesame"}'), Misconfigured),
            (answer("404 X"), Misconfigured),
            (answer("302 X", headers={"Location": "http://127.0.0.1:9/"}), Misconfigured),
            (answer("403 X", b"account is blocked"), Misconfigured),
            (answer("429 X", headers={"Retry-After": "7"}), ProviderThrottled),
            (answer("503 X"), ProviderUnavailable),
            (answer(body=b"{}"), ProviderUnavailable),
            (answer(body=b'{"access_token":"Bearer x"}'), ProviderUnavailable),
            (answer(body=b'{"access_token":"a\\nb"}'), ProviderUnavailable),
            (answer(body=b'{"access_token":"t","expires_in":"soon"}'), ProviderUnavailable),
        ],
    )
    def test_come_to_one_of_three_errors(self, reply: bytes, kind: type[ProviderError]) -> None:
        with OddServer(always(reply)) as server, pytest.raises(ProviderError) as caught:
            ClientCredentials(
                a_sign_in_client(server.url), client_id="a", client_secret="sesame", audience="x"
            ).sign_in()
        assert type(caught.value) is kind
        assert "sesame" not in str(caught.value)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def token(tokens: TokenHolder) -> str:
    return next(tokens.attempts())["Authorization"]


class TestATokensLife:
    def test_ends_a_minute_early(self) -> None:
        clock, way = Clock(), ByHand(lives=600)
        tokens = TokenHolder(way, monotonic=clock)
        assert token(tokens) == "t1"
        clock.now += 539
        assert token(tokens) == "t1"
        clock.now += 2
        assert token(tokens) == "t2"

    def test_of_less_than_a_minute_is_not_asked_for_at_each_call(self) -> None:
        clock, way = Clock(), ByHand(lives=30)
        tokens = TokenHolder(way, monotonic=clock)
        assert [token(tokens) for _ in range(3)] == ["t1"] * 3

    def test_goes_on_to_its_end_while_no_other_can_be_had(self) -> None:
        clock, way = Clock(), ByHand(lives=600)
        tokens = TokenHolder(way, monotonic=clock)
        token(tokens)
        way.fails = [LOST, LOST]
        clock.now += 545
        assert token(tokens) == "t1"
        clock.now += 60
        with pytest.raises(ProviderUnavailable):
            token(tokens)

    def test_is_lengthened_by_a_refresh_and_then_by_the_password(self) -> None:
        clock, way = Clock(), ByHand(lives=600, refresh=True)
        tokens = TokenHolder(way, monotonic=clock)
        token(tokens)
        clock.now += 600
        token(tokens)
        way.fails = [REFUSED]
        clock.now += 600
        assert token(tokens) == "t4"
        assert way.asked == ["sign in", "refresh r", "refresh r", "sign in"]

    def test_is_told_to_no_one(self) -> None:
        tokens = TokenHolder(ByHand(refresh=True), monotonic=Clock())
        token(tokens)
        assert {"sesame", "t1", "r"} <= set(tokens.secrets)
        credential = signed_in("sesame", tokens)
        assert "sesame" not in repr(credential)

    def test_begins_once_however_many_ask(self) -> None:
        way = ByHand()
        tokens = TokenHolder(way)
        threads = [threading.Thread(target=token, args=(tokens,)) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(5)
        assert way.asked == ["sign in"]


class TestARefusedToken:
    def test_is_replaced_once_for_all_who_hold_it(self) -> None:
        way = ByHand()
        tokens = TokenHolder(way, monotonic=Clock())
        first, second = tokens.attempts(), tokens.attempts()
        assert {next(first)["Authorization"], next(second)["Authorization"]} == {"t1"}
        assert {next(first)["Authorization"], next(second)["Authorization"]} == {"t2"}
        assert way.asked == ["sign in"] * 2

    def test_that_was_fresh_is_not_replaced_at_each_call(self) -> None:
        """Signing in works and every call is refused: another token would not help."""
        clock, way = Clock(), ByHand()
        tokens = TokenHolder(way, monotonic=clock)
        assert [one["Authorization"] for one in tokens.attempts()] == ["t1", "t2"]
        for _ in range(5):
            with pytest.raises(Misconfigured):
                list(tokens.attempts())
        assert len(way.asked) == 2
        clock.now += 61
        assert len(list(tokens.attempts())) == 1 + 1

    def test_travels_raw(self) -> None:
        seen: list[bytes] = []

        def behave(connection: Any, stopping: threading.Event) -> None:
            while request := read_request(connection):
                seen.append(request)
                connection.sendall(answer("401 X"))

        with OddServer(behave) as server, an_adapter(server.url, ByHand()) as ibex, pytest.raises(Misconfigured):
            ibex.get_transaction("tx_1")
        assert [b"\r\nAuthorization: t%d\r\n" % number in one for number, one in enumerate(seen, 1)] == [True, True]
        assert b"\r\nUser-Agent: rampkeeper\r\n" in seen[0]


class TestAFailedSignIn:
    def test_is_not_tried_again_before_its_wait_is_over(self) -> None:
        clock, way = Clock(), ByHand()
        tokens = TokenHolder(way, monotonic=clock)
        way.fails = [REFUSED] * 20
        waits = []
        for _ in range(7):
            with pytest.raises(Misconfigured):
                token(tokens)
            before, count = clock.now, len(way.asked)
            while len(way.asked) == count:
                clock.now += 5
                with pytest.raises(Misconfigured):
                    token(tokens)
            waits.append(clock.now - before)
            way.fails = [REFUSED] * 20
        assert waits == [60, 120, 240, 480, 600, 600, 600]

    def test_without_an_answer_is_tried_sooner_and_says_when(self) -> None:
        clock, way = Clock(), ByHand()
        tokens = TokenHolder(way, monotonic=clock)
        way.fails = [LOST]
        for expected in (None, timedelta(seconds=5)):
            with pytest.raises(ProviderUnavailable) as caught:
                token(tokens)
            assert caught.value.retry_after == expected
        clock.now += 5
        assert token(tokens) == "t2"

    def test_waits_as_long_as_it_is_asked_to(self) -> None:
        clock, way = Clock(), ByHand()
        tokens = TokenHolder(way, monotonic=clock)
        way.fails = [ProviderThrottled("slow down", provider="ibex", retry_after=timedelta(minutes=20))]
        with pytest.raises(ProviderThrottled):
            token(tokens)
        clock.now += 1199
        with pytest.raises(ProviderUnavailable):
            token(tokens)
        clock.now += 2
        assert token(tokens) == "t2"

    def test_for_a_claim_that_went_stale_is_none(self, pretended: SandboxServer) -> None:
        """The check before sending refused it: IBEX has seen nothing."""

        def refuse() -> None:
            raise StaleClaim("too old")

        with an_adapter(pretended.urls["ibex"], by_client(pretended)) as ibex:
            with guards.before_sending(refuse), pytest.raises(StaleClaim):
                ibex.get_transaction("tx_1")
            ibex.list_transactions(pretended.world.ibex.first_account_id, since=SINCE)

    def test_leaves_an_older_credential_to_be_tried(self) -> None:
        way = ByHand()
        way.fails = [REFUSED]
        with OddServer(always(answer(body=b'{"networkId":null}'))) as server:
            credentials = [signed_in("sesame", TokenHolder(way)), bearer("old")]
            client = a_client(server.url, provider="ibex", credentials=credentials)
            assert way.asked == []
            assert client.call(Request(operation="read", method="GET", path="/x"), dict) == {"networkId": None}
            client.close()
