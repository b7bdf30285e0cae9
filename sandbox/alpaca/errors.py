"""Alpaca's one shape of an error."""

from __future__ import annotations

from typing import Any


class AlpacaError(Exception):
    """`{"code", "message"}`; the code is the HTTP status times 100,000 plus a detail."""

    def __init__(self, status: int, message: str, detail: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"code": status * 100_000 + detail, "message": message}


def invalid(message: str) -> AlpacaError:
    """422."""
    return AlpacaError(422, message, 10_000)


def not_found(what: str) -> AlpacaError:
    """404."""
    return AlpacaError(404, f"{what} not found", 10_000)


def insufficient() -> AlpacaError:
    """403: the paying account has not enough free cash."""
    return AlpacaError(403, "insufficient balance", 10_000)


def refused(account_id: str) -> AlpacaError:
    """403: compliance does not let this account be paid."""
    return AlpacaError(403, f"account {account_id} may not receive journals: restricted by compliance", 10_100)
