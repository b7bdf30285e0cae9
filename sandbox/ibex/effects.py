"""What callers of Ibex had made, and what of it more than once; IBEX itself never notices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.ibex import addresses
from sandbox.ibex.model import SENT

if TYPE_CHECKING:
    from sandbox.ibex.state import IbexState


def summary(ibex: IbexState) -> dict[str, Any]:
    """Sends that stand by (account, address, amount), with those of them that stand more than once; failed ones apart.

    Accounts of one name, and addresses of one account, network and name, count as repeated too.
    """
    sends = [one for one in ibex.transactions.values() if one.type_id == SENT]
    stand = Counter(
        (one.account_id, addresses.comparable(one.address), amounts.plain(one.amount))
        for one in sends
        if one.status != "failed"
    )
    sent: list[dict[str, Any]] = [
        {"account": account, "address": address, "amount": amount, "count": count}
        for (account, address, amount), count in stand.items()
    ]
    return {
        "sends": stand.total(),
        "failed_sends": len(sends) - stand.total(),
        "sent": sent,
        "repeated_sends": [one for one in sent if one["count"] > 1],
        "accounts": len(ibex.accounts),
        "repeated_accounts": _repeated(one.name for one in ibex.accounts.values()),
        "receive_infos": len(ibex.receive_infos),
        "repeated_receive_infos": _repeated(
            f"{one.account_id} {one.option.network} {one.name}" for one in ibex.receive_infos.values()
        ),
    }


def _repeated(names: Iterable[str]) -> dict[str, int]:
    return {name: count for name, count in Counter(names).items() if count > 1}
