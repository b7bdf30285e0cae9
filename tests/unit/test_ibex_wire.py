"""IBEX's JSON and our words for it, and a listing walked whichever way round it stands."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.chain_addresses import NoAddress, is_address, normal
from funding.errors import UnexpectedAnswer
from funding.money import Money
from funding.ports.ibex import SendOrder, SentTokens, TokenStatus, TokenTransaction
from providers.fields import WrongShape
from providers.ibex import exact, wire
from providers.ibex.walk import Walk

TRON = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"
TRANSACTION = (
    '{"id":"9a7c2f10-3f11-4b7e-8c52-1a4f6d2e7b90","createdAt":"2026-03-04T15:20:01.081277Z",'
    '"settledAt":"2026-03-04T15:20:11.600375Z","accountId":"b45d9c17-60e2-4f38-a1d9-73c0e8f52b6a","amount":100.0,'
    '"networkFee":0,"onChainSendFee":0,"currencyId":29,"transactionTypeId":9,"status":"completed"}'
)
ORDER = SendOrder(account="acc_1", address=ETHEREUM, network="Ethereum", amount=Money(25_000000, "USDT"), name="p_1")


def shown(**changes: Any) -> TokenTransaction:
    """The sheet's transaction with fields changed as JSON text; None takes one away."""
    made = exact.parse(TRANSACTION)
    for name, text in changes.items():
        if text is None:
            del made[name]
        else:
            made[name] = exact.parse(text)
    return wire.load_transaction(made)


class TestATransaction:
    def test_is_read_in_our_words(self) -> None:
        one = shown()
        assert (one.status, one.amount, one.raw_amount) == (TokenStatus.COMPLETED, Money(100_000000, "USDT"), "100.0")
        assert one.incoming is True
        assert one.settled_at == datetime(2026, 3, 4, 15, 20, 11, 600375, tzinfo=UTC)
        assert (one.address, one.chain_hash) == (None, None)

    @pytest.mark.parametrize(
        ("text", "minor"),
        [
            ("0.29", 290000),
            ("1.99999999999", 1_999999),
            ("4503599627370497.123456", 4503599627370497_123456),  # more digits than a float holds
            ("1e2", 100_000000),
            ("0", 0),
        ],
    )
    def test_is_cut_down_to_six_places_and_never_a_float(self, text: str, minor: int) -> None:
        one = shown(amount=text)
        assert (one.amount.minor, one.raw_amount) == (minor, text)

    @pytest.mark.parametrize("word", ["pending", "processing", "COMPLETED_MAYBE", "refunded"])
    def test_waits_at_every_word_but_two(self, word: str) -> None:
        one = shown(status=f'"{word}"')
        assert one.status not in {TokenStatus.COMPLETED, TokenStatus.FAILED}
        assert one.raw_status == word

    def test_without_a_status_waits(self) -> None:
        """The listing's own example in the API description shows none."""
        assert (shown(status=None).status, shown(status=None).raw_status) == (TokenStatus.UNKNOWN, "")

    @pytest.mark.parametrize("word", ["failed", "Failed"])
    def test_that_failed_is_over(self, word: str) -> None:
        assert shown(status=f'"{word}"').status is TokenStatus.FAILED

    @pytest.mark.parametrize("text", ['"0001-01-01T00:00:00Z"', '"0001-01-01T00:00:00+05:00"', "0", "null", '""', None])
    def test_of_the_zero_date_is_not_settled(self, text: str | None) -> None:
        assert shown(settledAt=text).settled_at is None

    @pytest.mark.parametrize(
        ("kind", "incoming"), [("1", True), ("7", True), ("2", False), ("4", False), ("10", None), (None, None)]
    )
    def test_comes_in_only_by_a_type_that_is_documented(self, kind: str | None, incoming: bool | None) -> None:  # noqa: FBT001 -- the example
        assert shown(transactionTypeId=kind).incoming is incoming

    def test_names_its_currency_in_either_spelling(self) -> None:
        assert shown(currencyId=None, currencyID="30").amount.asset == "USDC"

    @pytest.mark.parametrize("where", ["address", "metadata"])
    def test_shows_its_address_where_ibex_does(self, where: str) -> None:
        text = json.dumps(TRON if where == "address" else {"address": TRON})
        assert shown(**{where: text}).address == TRON

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("amount", '"100.0"'),  # as text its unit would be anybody's guess
            ("amount", "-1"),
            ("amount", "1e400"),
            ("amount", "9" * 80),
            ("amount", "true"),
            ("amount", None),
            ("currencyId", "0"),
            ("currencyId", "3"),
            ("currencyId", "29.5"),
            ("currencyId", '"29"'),
            ("currencyId", None),
            ("transactionTypeId", '"9"'),
            ("id", "7"),
            ("id", '"../x"'),
            ("id", None),
            ("accountId", None),
            ("status", "3"),  # an integer at the top of a pay reply, a word here
            ("createdAt", '"0001-01-01T00:00:00Z"'),
            ("settledAt", '"yesterday"'),
            ("settledAt", "1772724011"),
        ],
    )
    def test_of_another_shape_is_refused_naming_the_field(self, name: str, text: str | None) -> None:
        with pytest.raises(WrongShape, match=name):
            shown(**{name: text})


class TestAList:
    @pytest.mark.parametrize("text", [f"[{TRANSACTION}]", f'{{"transactions":[{TRANSACTION}]}}'])
    def test_is_bare_or_named(self, text: str) -> None:
        assert len(wire.load_list(exact.parse(text))) == 1

    @pytest.mark.parametrize("text", ["[]", "null", '{"transactions":null}'])
    def test_may_be_empty(self, text: str) -> None:
        assert wire.load_list(exact.parse(text)) == []

    @pytest.mark.parametrize("text", ['"x"', "5", "[null]", f"[{TRANSACTION},{{}}]"])
    def test_with_a_row_nobody_can_read_is_refused_whole(self, text: str) -> None:
        """A row left out would be a send that was never made."""
        with pytest.raises(WrongShape):
            wire.load_list(exact.parse(text))


class TestASend:
    def test_is_the_same_text_each_time(self) -> None:
        text = wire.dump_send(ORDER)
        assert text == (
            f'{{"account":"acc_1","network":"ethereum","address":"{ETHEREUM}","amount":"25.000000","asset":"USDT",'
            '"name":"p_1"}'
        )
        assert wire.load_send(text) == replace(ORDER, network="ethereum")

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": Money(2500, "USD")},
            {"amount": Money(0, "USDT")},
            {"amount": Money(-1, "USDC")},
            {"network": "tron"},
            {"network": "dogecoin"},
            {"address": ETHEREUM[:-1]},
            {"account": "../x"},
        ],
    )
    def test_of_what_ibex_cannot_send_is_refused_before_anything_is_asked(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"IBEX|address|network|account"):
            wire.dump_send(replace(ORDER, **changes))

    def test_asks_for_a_number_of_tokens_exactly(self) -> None:
        order = replace(ORDER, amount=Money(9007199254740993_000001, "USDT"))
        body = wire.dump_money_out(order, "csi_31")
        assert body == '{"cryptoSendInfosId":"csi_31","amount":9007199254740993.000001}'

    def test_says_where_under_data(self) -> None:
        body = json.loads(wire.dump_info(ORDER, "req_9"))
        assert body == {"name": "p_1", "requirementsId": "req_9", "data": {"address": ETHEREUM}}

    @pytest.mark.parametrize(
        ("text", "answer"),
        [
            ('{"transaction":{"id":"71f0"},"cryptoTransaction":{"networkTxId":"0xabc"}}', ("71f0", "0xabc")),
            ('{"transactionHub":{"txHash":"0x1"},"cryptoTransaction":{"networkTxId":""}}', (None, "0x1")),
            ('{"transactionHub":{"transactionHash":"0x2"}}', (None, "0x2")),
            ('{"transactionHub":{"hash":"0x3"}}', (None, "0x3")),
            ('{"transaction":{"id":"71f0"},"transactionHub":null,"cryptoTransaction":[]}', ("71f0", None)),
            ('{"transaction":{"id":7},"cryptoTransaction":{"networkTxId":{}}}', (None, None)),
            ('{"transaction":{"id":"../x"},"cryptoTransaction":{"networkTxId":"a b"}}', (None, None)),
            ("{}", (None, None)),
            ("[]", (None, None)),
        ],
    )
    def test_that_was_accepted_has_happened_whatever_the_answer_leaves_out(
        self, text: str, answer: tuple[str | None, str | None]
    ) -> None:
        """Taken for unknown it could be looked for too early, not be found, and be sent again."""
        sent = wire.load_sent(exact.parse(text))
        assert sent == SentTokens(transaction_id=answer[0], chain_hash=answer[1])

    @pytest.mark.parametrize("text", ['{"requirementsId":"r","currencyId":30}', '{"currencyId":29}', "[]"])
    def test_goes_by_requirements_of_its_own_token_only(self, text: str) -> None:
        with pytest.raises(WrongShape):
            wire.load_requirements(exact.parse(text), ORDER)

    def test_goes_to_no_other_network(self) -> None:
        assert wire.load_info(exact.parse('{"id":"csi_31","network":"ETHEREUM"}'), ORDER) == "csi_31"
        with pytest.raises(WrongShape, match="network"):
            wire.load_info(exact.parse('{"id":"csi_31","network":"tron"}'), ORDER)


class TestAnError:
    @pytest.mark.parametrize(
        "body", ['{"error":"%s"}', '{"message":"%s"}', '{"error":{},"message":"%s"}', "%s", '"%s"']
    )
    def test_is_known_by_its_text_in_any_case_and_wrapping(self, body: str) -> None:
        said = "INSUFFICIENT Balance: account b45d9c17-60e2-4f38-a1d9-73c0e8f52b6a"
        code, text = wire.problem((body % said).encode())
        assert code == "insufficient_balance"
        assert text is not None
        assert "b45d9c17" not in text  # our account's id is nobody's business

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b'{"error":"Payment already prepared"}', "payment_already_prepared"),
            (b'{"error":"no such thing"}', None),
            (b'{"balance":1,"message":"too little"}', None),
            (b"", None),
            (b"\xff", None),
            (b"[" * 100_000, None),
        ],
    )
    def test_of_another_text_has_no_code(self, body: bytes, code: str | None) -> None:
        assert wire.problem(body)[0] == code


class TestAnAddress:
    def test_of_tron_passes_by_its_checksum(self) -> None:
        assert normal("TRON", TRON) == TRON

    @given(
        place=st.integers(1, 33), letter=st.sampled_from("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
    )
    def test_of_tron_with_one_letter_changed_is_none(self, place: int, letter: str) -> None:
        changed = TRON[:place] + letter + TRON[place + 1 :]
        assert is_address("tron", changed) == (changed == TRON)

    def test_of_ethereum_is_compared_without_case(self) -> None:
        assert normal("ethereum", ETHEREUM) == normal("Ethereum", ETHEREUM.lower())

    @pytest.mark.parametrize(
        ("network", "text"),
        [
            ("tron", ETHEREUM),
            ("ethereum", TRON),
            ("tron", ""),
            ("tron", TRON + "\n"),
            ("tron", TRON[:-1]),
            ("tron", "T" + "z" * 33),
            ("ethereum", ETHEREUM + "\n"),
            ("ethereum", ETHEREUM[2:]),
            ("ethereum", ETHEREUM[:-1] + "g"),
            ("bitcoin", TRON),
            ("", ETHEREUM),
        ],
    )
    def test_of_another_network_or_length_is_none(self, network: str, text: str) -> None:
        with pytest.raises(NoAddress) as caught:
            normal(network, text)
        assert not text.strip() or text not in str(caught.value)


SINCE = datetime(2026, 3, 1, tzinfo=UTC)
BASE = shown()


def row(name: int, *, settled: int | None, made: int | None = None) -> TokenTransaction:
    """A transaction settled so many days after `SINCE` (None: not yet), made then or at another day."""
    day = -400 if settled is None else settled
    return replace(
        BASE,
        id=f"tx_{name}",
        created_at=SINCE + timedelta(days=day if made is None else made),
        settled_at=None if settled is None else SINCE + timedelta(days=settled),
    )


class Listing:
    """Pages of two, counted from `first`, and how many were read."""

    def __init__(self, rows: list[TokenTransaction], *, first: int = 1) -> None:
        self.rows, self.first = rows, first
        self.reads = 0
        self.between: Callable[[int], None] = lambda _: None

    def __call__(self, number: int) -> list[TokenTransaction]:
        self.reads += 1
        self.between(self.reads)
        start = 2 * max(number - self.first, 0)
        return self.rows[start : start + 2]


OLD = [row(number, settled=-number) for number in range(1, 301)]  # newest first, all before `SINCE`
NEW = [row(1000 + number, settled=30 - number) for number in range(5)]
OPEN = [row(2000 + number, settled=None) for number in range(5)]


class TestAWalk:
    @pytest.mark.parametrize("first", [0, 1])
    @pytest.mark.parametrize("turned", [False, True])
    @pytest.mark.parametrize("open_first", [False, True])
    def test_finds_what_is_new_or_open_wherever_it_stands(self, first: int, turned: bool, open_first: bool) -> None:  # noqa: FBT001 -- the cases
        """What is not settled stands first or last, the newest too: nobody documents which."""
        settled = [*OLD[::-1], *NEW[::-1]] if turned else [*NEW, *OLD]
        listing = Listing([*OPEN, *settled] if open_first else [*settled, *OPEN], first=first)
        found = Walk(listing, since=SINCE).transactions()
        assert {one.id for one in found} == {one.id for one in (*NEW, *OPEN)}
        assert [one.created_at for one in found] == sorted(one.created_at for one in found)
        assert listing.reads < 50

    def test_reads_all_of_a_listing_in_no_order(self) -> None:
        front = [OLD[5], NEW[0], OLD[3], NEW[1], OLD[9], OLD[8]]
        rows = [*front, *OLD[10:12], NEW[2], NEW[3], *OLD[12:40]]
        assert len(Walk(Listing(rows), since=SINCE).transactions()) == 4

    def test_of_nothing_is_empty(self) -> None:
        assert Walk(Listing([]), since=SINCE).transactions() == []

    def test_sees_what_settles_while_it_reads(self) -> None:
        """It jumps from the end to the front, past us: missed, a send would be made a second time."""
        listing = Listing([*NEW, *OLD[:20], OPEN[0]])

        def settle(reads: int) -> None:
            if reads == 4:
                listing.rows = [replace(OPEN[0], settled_at=SINCE + timedelta(days=40)), *NEW, *OLD[:20]]

        listing.between = settle
        assert OPEN[0].id in {one.id for one in Walk(listing, since=SINCE).transactions()}

    def test_takes_in_what_was_made_before_and_settled_since(self) -> None:
        late = row(3000, settled=1, made=-50)
        assert Walk(Listing([late, *OLD]), since=SINCE).transactions() == [late]

    def test_shows_an_old_failure_no_more(self) -> None:
        """It has no time of settling either, and would stand among those that wait for ever."""
        failed = [replace(one, status=TokenStatus.FAILED) for one in OPEN[:4]]
        assert Walk(Listing([*OLD, *failed, OPEN[4]]), since=SINCE).transactions() == [OPEN[4]]
        assert len(Walk(Listing([*OLD, *failed]), since=failed[0].created_at).transactions()) >= 4

    @pytest.mark.parametrize(("first", "reads"), [(0, 2), (1, 3)])
    def test_of_one_page_is_sure_without_a_second_look(self, first: int, reads: int) -> None:
        """What was on the page when it was read last was all there was: nothing can have moved out of sight."""
        listing = Listing([NEW[0], OPEN[0]], first=first)
        assert len(Walk(listing, since=SINCE).transactions()) == 2
        assert listing.reads == reads

    def test_looks_again_where_a_page_grew_meanwhile(self) -> None:
        """Counted from 0, page 1 then shows the last of page 0 once more: that is not the same page again."""
        listing = Listing([NEW[1], NEW[2]], first=0)

        def arrive(reads: int) -> None:
            if reads == 2:
                listing.rows = [NEW[0], NEW[1], NEW[2]]

        listing.between = arrive
        assert {one.id for one in Walk(listing, since=SINCE).transactions()} == {one.id for one in NEW[:3]}

    @pytest.mark.parametrize(
        ("rows", "counts_from_0", "reads"), [([NEW[0]], False, 1), ([], True, 1), ([], False, 2), (NEW[:2], True, 3)]
    )
    def test_in_a_hurry_takes_a_short_page_for_all(
        self,
        rows: list[TokenTransaction],
        counts_from_0: bool,  # noqa: FBT001 -- the cases
        reads: int,
    ) -> None:
        """An empty page 0 is no end where pages may count from 1; a page of two is as long as any here."""
        listing = Listing(rows)
        found = Walk(listing, since=SINCE, short=2, counts_from_0=counts_from_0).transactions()
        assert len(found) == len(rows)
        assert listing.reads == reads

    def test_of_a_listing_that_never_ends_is_left(self) -> None:
        with pytest.raises(UnexpectedAnswer):
            Walk(lambda _: NEW, since=SINCE).transactions()

    def test_of_old_money_that_never_ends_is_left_too(self) -> None:
        with pytest.raises(UnexpectedAnswer):
            Walk(lambda _: OLD[:2], since=SINCE).transactions()
