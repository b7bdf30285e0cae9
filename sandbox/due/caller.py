"""Who calls Due, and what of it they may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from flask import request

from sandbox.due.errors import invalid, plain
from sandbox.due.model import Account
from sandbox.world import World

Owned = TypeVar("Owned")


def account_of_caller(world: World, *, active: bool = False) -> Account:
    """The account named by Due-Account-Id; with `active`, one that may transact.

    Due prints no text for a missing header; this answer is ours. Raises: DueError 400, 404.
    """
    account = world.due.accounts.get(request.headers.get("Due-Account-Id", ""))
    if account is None:
        raise plain(400, "err_account_required", "Due-Account-Id is missing or unknown")
    if active and account.kyc != "passed":
        raise plain(400, "err_kyc_not_passed", "KYC is not passed")
    if active and account.tos != "accepted":
        raise plain(400, "err_tos_not_accepted", "terms are not accepted")
    return account


def owned(world: World, items: Iterable[Owned]) -> list[Owned]:
    """Those that belong to the caller's account."""
    mine = account_of_caller(world).id
    return [item for item in items if getattr(item, "owner_id", None) == mine]


def small_list(world: World, items: list[Any], following: str | None = None) -> Any:
    """A short list as `{items, next}`, or as an array where the world was told to speak so."""
    return items if world.config.bare_lists else {"items": items, "next": following}


def fields(given: Mapping[str, Any], *names: str) -> dict[str, str]:
    """These fields, all of them text and not empty. Raises: DueError 422 naming each that is not."""
    bad = {name: "required" for name in names if not isinstance(given.get(name), str) or not given[name].strip()}
    if bad:
        raise invalid(**bad)
    return {name: given[name] for name in names}
