"""Due's JSON and our words for it. Source: Due API docs, "Transfers" and "Webhooks", read 2026-11."""

import json
from collections.abc import Mapping
from typing import Any, Final

from funding.money import Money
from funding.ports.due import OffRampOrder, Transfer, TransferStatus
from providers.fields import Fields

_SIDE: Final = ("amount", "fee", "currency", "rail", "virtualAccountId")


def load_transfer(value: Any) -> Transfer:
    """A transfer as Due shows it. Raises: WrongShape."""
    fields = Fields(value)
    source, destination = fields.child("source"), fields.child("destination")
    asset_in, asset_out = _asset(source), _asset(destination)
    arriving, rest = destination.money_floor("amount", asset=asset_out)
    raw_status = fields.text("status")
    return Transfer(
        id=fields.id("id"),
        account=fields.id("ownerId"),
        status=status_of(raw_status),
        raw_status=raw_status,
        virtual_account=source.maybe_id("virtualAccountId"),
        source=source.money("amount", asset=asset_in),
        source_fee=_fee(source, asset_in),
        destination=arriving,
        destination_fee=_fee(destination, asset_out),
        destination_rest=rest,
        chain=source.maybe_text("rail"),
        rail=destination.maybe_text("rail"),
        created_at=fields.time("createdAt"),
        chain_hash=_chain_hash(source),
    )


def dump_off_ramp(order: OffRampOrder) -> str:
    """The body of POST /offramp, always the same bytes for the same order."""
    body = {
        "virtualAccountId": order.virtual_account,
        "amount": order.amount.text(),
        "currencyIn": order.amount.asset,
        "currencyOut": order.asset_out,
    }
    return json.dumps(body, separators=(",", ":"))


def virtual_account_of(transfer: Any) -> str | None:
    """The virtual account a listed transfer came in by, before anything else of it is read; None: by none."""
    source = transfer.get("source") if isinstance(transfer, dict) else None
    account = source.get("virtualAccountId") if isinstance(source, dict) else None
    return account if isinstance(account, str) else None


def status_of(text: str) -> TransferStatus:
    """Due's word in ours, whatever its case; an unknown one stays open."""
    try:
        return TransferStatus(text.lower())
    except ValueError:
        return TransferStatus.UNKNOWN


def side_asset(side: Fields) -> str:
    """The asset of one side, upper case. Raises: WrongShape."""
    return _asset(side)


def kept(value: Any) -> dict[str, Any]:
    """The parts of a transfer that we read, and no others: a whole one holds names and bank details.

    Values are kept as they are, right or wrong: whoever reads them judges.
    """
    if not isinstance(value, dict):
        return {}
    shown = {name: value[name] for name in ("id", "ownerId", "status", "createdAt") if name in value}
    for name in ("source", "destination"):
        side = value.get(name)
        if isinstance(side, dict):
            shown[name] = {field: side[field] for field in _SIDE if field in side}
        elif side is not None:
            shown[name] = None
    return shown


def digest_of(transfer: Mapping[str, Any]) -> str:
    """What makes a transfer news: the fields that a reading uses, in a fixed order."""
    sides = [transfer.get(name) or {} for name in ("source", "destination")]
    values = [transfer.get("ownerId"), transfer.get("status")]
    values += [side.get(name) for side in sides for name in ("amount", "currency", "virtualAccountId")]
    return "|".join("" if value is None else str(value).lower() for value in values)


def _asset(side: Fields) -> str:
    return side.text("currency").upper()


def _fee(side: Fields, asset: str) -> Money:
    """What was kept on this side; a finer part than the asset's scale is left out, as it is in the amounts' rest."""
    return side.money_floor("fee", asset=asset)[0] if side.has("fee") else Money(0, asset)


def _chain_hash(side: Fields) -> str | None:
    confirmation = side.maybe_child("confirmation")
    return None if confirmation is None else confirmation.maybe_text("hash")
