"""Bridge's deposits and transfers, as a comparison reads them: newest first, an empty page is the end."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from funding.errors import NotFound, UnexpectedAnswer
from funding.money import SCALES
from funding.ports.bridge import Stage
from funding.reconcile.records import Record, RecordPage
from providers.bridge import wire
from providers.bridge.adapter import BridgeAdapter
from providers.bridge.words import stage_of
from providers.fields import Fields, WrongShape, parse_time

BEFORE: Final = timedelta(hours=1)  # an object is a little older than the flow that follows it

Rows = Sequence[Mapping[str, Any]]


class DepositRecords:
    """Every deposit on every virtual account, ours or not; for one run.

    A deposit's entries may stand on several pages, newest first: it is a record once the entry of its arrival is seen,
    or when the history ends. Its account is "<customer>/<virtual account>". The cursor is the last entry seen.
    """

    def __init__(self, bridge: BridgeAdapter) -> None:
        self._bridge = bridge
        self._open: dict[str, list[dict[str, Any]]] = {}  # entries of deposits whose arrival is still to come
        self._told: set[str] = set()

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        """The deposits whose beginning a page of the history shows. Raises: as any read."""
        if cursor is None:
            self._open, self._told = {}, set()
        rows = self._bridge.list_history(since=since - BEFORE, after=cursor)
        is_over = _is_over(rows, since - BEFORE)
        for row in rows:
            self._note(row)
        records = [self._tell(name) for name, entries in [*self._open.items()] if is_over or _is_whole(entries)]
        return RecordPage(_made_before(records, until), None if is_over else _last(rows, cursor))

    def one(self, object_id: str, *, account: str | None) -> Record | None:
        """One deposit, by all that its account's history shows of it; None: nothing. Raises: as any read."""
        customer, _, virtual_account = (account or "").partition("/")
        try:
            rows = self._bridge.read_deposit(object_id, customer=customer, virtual_account=virtual_account)
        except NotFound:
            return None
        return _deposit(object_id, rows)

    def _note(self, row: dict[str, Any]) -> None:
        """Keep an entry of a deposit; one of money that names none stands for itself."""
        name = row.get("deposit_id") or row.get("id")
        is_money = bool(row.get("deposit_id")) or stage_of(str(row.get("type"))) is not Stage.UNKNOWN
        if is_money and isinstance(name, str) and name not in self._told:
            self._open.setdefault(name, []).append(row)

    def _tell(self, name: str) -> Record:
        self._told.add(name)
        return _deposit(name, self._open.pop(name))


class TransferRecords:
    """Every transfer, ours or not. A transfer's account is its customer. The cursor is the last transfer seen."""

    def __init__(self, bridge: BridgeAdapter) -> None:
        self._bridge = bridge

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        """A page of transfers, newest first. Raises: as any read."""
        rows = self._bridge.list_transfers(after=cursor)
        following = None if _is_over(rows, since - BEFORE) else _last(rows, cursor)
        return RecordPage(_made_before([_transfer(row) for row in rows], until), following)

    def one(self, object_id: str, *, account: str | None) -> Record | None:  # noqa: ARG002 -- its id is enough
        """One transfer; None: Bridge knows none of that id. Raises: as any read."""
        try:
            return self._bridge.read_transfer(object_id, _transfer)
        except NotFound:
            return None


def _is_whole(entries: Rows) -> bool:
    """Whether nothing of a deposit that matters is still to come: what is older than its arrival only expected it."""
    return not entries[-1].get("deposit_id") or stage_of(str(entries[-1].get("type"))) is Stage.FUNDS_RECEIVED


def _last(rows: Rows, cursor: str | None) -> str:
    """The cursor after a page. Raises: UnexpectedAnswer: it leads to the same page again."""
    following = rows[-1].get("id")
    if not isinstance(following, str) or following in {"", cursor}:
        raise UnexpectedAnswer("bridge's listing leads no further: it would never end", provider="bridge")
    return following


def _made_before(records: Sequence[Record], until: datetime) -> list[Record]:
    return [one for one in records if one.at < until + BEFORE]


def _is_over(rows: Rows, since: datetime) -> bool:
    """Whether a listing, newest first, shows no more of the window: an empty page, or one of older objects alone."""
    return all((_time(row) or since) < since for row in rows)


def _time(row: Mapping[str, Any]) -> datetime | None:
    try:
        return parse_time(str(row.get("created_at")))
    except ValueError:
        return None


def _deposit(name: str, rows: Rows) -> Record:
    """A deposit by its entries, newest first; one that cannot be read says why.

    What came in is told by the entry of its arrival, what went on and the fees by that of its payment: those between
    are estimates. Raises: UnexpectedAnswer: an entry without a time, or of nobody.
    """
    try:
        newest, oldest = Fields(rows[0]), Fields(rows[-1])
        account = f"{newest.id('customer_id')}/{newest.id('virtual_account_id')}"
        known = Record(
            kind="deposit", id=name, status=newest.text("type").lower(), at=oldest.time("created_at"), account=account
        )
    except WrongShape as error:
        raise UnexpectedAnswer(f"bridge shows a deposit that cannot be told of: {error}", provider="bridge") from None
    try:
        if not newest.has("deposit_id"):
            raise newest.wrong("deposit_id", "is missing")
        for row in rows:
            known = _with_amounts(known, Fields(row))
    except WrongShape as error:
        return known._replace(fault=str(error))
    return known


def _with_amounts(known: Record, row: Fields) -> Record:
    match stage_of(row.text("type")):
        case Stage.FUNDS_RECEIVED | Stage.IN_REVIEW | Stage.REFUNDED:
            asset, amount = _amount(row)
            return known._replace(asset=asset, amount=amount)
        case Stage.PAYMENT_PROCESSED:
            asset, amount = _amount(row)
            fees = [_minor(row, name, asset) for name in ("developer_fee_amount", "exchange_fee_amount", "gas_fee")]
            return known._replace(asset_out=asset, amount_out=amount, fee=sum(fees))
        case _:
            return known


def _amount(row: Fields) -> tuple[str, int | None]:
    asset = row.text("currency").upper()
    return asset, wire.money_of(row).minor if asset in SCALES else None


def _minor(row: Fields, name: str, asset: str) -> int:
    """A fee; none where Bridge shows none, or keeps it in what is none of our assets."""
    return row.money_floor(name, asset=asset)[0].minor if row.has(name) and asset in SCALES else 0


def _transfer(value: Any) -> Record:
    """A transfer as a record; its reference is what its maker gave it, a flow's id if it is ours.

    Raises: UnexpectedAnswer: it has no id or no time.
    """
    try:
        fields = Fields(value)
        known = Record(
            kind="transfer",
            id=fields.id("id"),
            status=fields.text("state").lower(),
            at=fields.time("created_at"),
            account=fields.maybe_id("on_behalf_of"),
            reference=fields.maybe_text("client_reference_id"),
        )
        asset = fields.child("source").text("currency").upper()
        asset_out = fields.child("destination").text("currency").upper()
    except WrongShape as error:
        raise UnexpectedAnswer(f"bridge shows a transfer that cannot be told of: {error}", provider="bridge") from None
    if asset not in SCALES or asset_out not in SCALES:
        return known._replace(asset=asset, asset_out=asset_out)  # amounts of assets that are none of ours stay unread
    try:
        payout = wire.load_payout(value)
    except WrongShape as error:
        return known._replace(fault=str(error))
    sent_on = payout.sent_on if known.status == "payment_processed" else None  # until then an estimate
    return known._replace(
        asset=payout.amount.asset,
        amount=payout.amount.minor,
        asset_out=sent_on.asset if sent_on else None,
        amount_out=sent_on.minor if sent_on else None,
    )
