"""What of a flow stands beside an object of a provider in a comparison, as SQL made out of the object's book."""

from collections.abc import Mapping
from typing import Final

from funding.reconcile.books import Book, Follower, Side

_ASSET: Final[Mapping[Side | None, str]] = {
    "amount": "f.asset",
    "amount_out": "f.asset_out",
    None: "CAST(NULL AS text)",
}
_AMOUNT: Final[Mapping[Side | None, str]] = {
    "amount": "f.amount",
    "amount_out": "f.amount_out",
    None: "CAST(NULL AS numeric)",
}


def columns_of(book: Book) -> tuple[dict[str, str], dict[str, str]]:
    """What of a flow `f` an object of the book shows, as SQL by name, and the values that this SQL is given.

    The names: asset, amount, asset_out, amount_out, account. Every piece of it is a constant of this file.
    """
    named: dict[str, str] = {}
    each = [_of_follower(one, number, named) for number, one in enumerate(book.followers)]
    if len(each) == 1:
        return each[0], named
    whens = [(f"WHEN :flow_kind_{number}", one) for number, one in enumerate(each)]
    named |= {f"flow_kind_{number}": one.flow_kind for number, one in enumerate(book.followers)}
    return {
        name: f"CASE f.kind {' '.join(f'{when} THEN {one[name]}' for when, one in whens)} END" for name in each[0]
    }, named


def _of_follower(one: Follower, number: int, named: dict[str, str]) -> dict[str, str]:
    went = _AMOUNT[one.went]
    if one.corrected is not None:
        named[f"corrected_{number}"] = one.corrected
        went = f"coalesce(CAST(f.data ->> CAST(:corrected_{number} AS text) AS numeric), {went})"
    parts = {f"account_{number}_{place}": part for place, part in enumerate(one.account)}
    named |= parts
    return {
        "asset": _ASSET[one.came],
        "amount": _AMOUNT[one.came],
        "asset_out": _ASSET[one.went],
        "amount_out": went,
        "account": " || '/' || ".join(f"(f.data ->> CAST(:{part} AS text))" for part in parts) or "CAST(NULL AS text)",
    }
