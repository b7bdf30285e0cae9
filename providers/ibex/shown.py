"""A transaction as IBEX showed it, readable or not: what a poll keeps of it, and when it is news."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from funding.ports.ibex import TokenStatus
from providers.fields import Fields, WrongShape, is_id
from providers.ibex import exact, wire

_KEPT: Final = (
    "id",
    "accountId",
    "createdAt",
    "settledAt",
    "amount",
    "currencyId",
    "currencyID",
    "transactionTypeId",
    "status",
    "address",
)
_DIGESTED: Final = ("accountId", "amount", "currencyId", "currencyID", "transactionTypeId", "status")
UNDATED: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A transaction that was shown. `kept`: the parts of it that we read, as they were written.

    What cannot be read is pending and, where it says no other, of the first day of 1970: it is shown to the end.
    """

    id: str
    account: str | None
    status: TokenStatus
    created_at: datetime
    settled_at: datetime | None
    kept: Mapping[str, Any]

    @property
    def changed_at(self) -> datetime:
        """The later of its times, by which a listing's window goes."""
        return max(self.created_at, self.settled_at or self.created_at)

    @property
    def digest_of(self) -> str:
        """What makes it news. Its address and its chain hash do not: one reply shows them, and another does not."""
        values = [self.kept.get(name) for name in _DIGESTED]
        return "|".join("" if value is None else _plain(value) for value in values)

    def with_chain_hash(self, chain_hash: str | None) -> dict[str, Any]:
        """What we keep, with the hash that IBEX tells of it elsewhere."""
        return dict(self.kept) if chain_hash is None else {**self.kept, "networkId": chain_hash}


def load_shown(value: Any) -> Shown:
    """A transaction of any kind of money, or whatever stands in its place."""
    kept = _kept(value)
    try:
        one = wire.load_transaction(value)
    except WrongShape:
        return _in_part(kept)
    return Shown(
        id=one.id,
        account=one.account,
        status=one.status,
        created_at=one.created_at,
        settled_at=one.settled_at,
        kept=kept,
    )


def load_page(value: Any) -> list[Shown]:
    """A page of a listing. Raises: WrongShape: it is none."""
    return [load_shown(row) for row in wire.rows_of(value)]


def _kept(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    kept = {name: _single(value[name]) for name in _KEPT if name in value}
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and "address" in metadata:
        kept["metadata"] = {"address": _single(metadata["address"])}
    return kept


def _single(value: Any) -> Any:
    """None for what holds more than one value: no field that we read does, and it may go as deep as it likes."""
    return None if isinstance(value, dict | list) else value


def _in_part(kept: dict[str, Any]) -> Shown:
    """It is told of under its own id, if it has one: then ingest says what is wrong with it, once."""
    named, account = kept.get("id"), kept.get("accountId")
    digest = hashlib.sha256(exact.dump(kept).encode()).hexdigest()
    return Shown(
        id=named if isinstance(named, str) and is_id(named) else f"unreadable-{digest[:32]}",
        account=account if isinstance(account, str) else None,
        status=TokenStatus.PENDING,
        created_at=_moment(kept, "createdAt") or UNDATED,
        settled_at=_moment(kept, "settledAt"),
        kept=kept,
    )


def _moment(kept: dict[str, Any], name: str) -> datetime | None:
    try:
        return wire.moment(Fields(kept), name)
    except WrongShape:
        return None


def _plain(value: Any) -> str:
    """As text: 100 and 100.0 are one amount."""
    if not isinstance(value, exact.Number):
        return exact.dump(value).lower()
    text = value.text.lower()
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
