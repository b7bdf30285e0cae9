"""Stripe, answering at once: every Checkout session that is asked for is paid, and nothing is ever taken back."""

from http import HTTPStatus
from typing import Any, Final

from benchmarks._events import CENTS, INTENT, SESSION, customer_of_session

NONE: Final = {"object": "list", "data": [], "has_more": False}
_CREATED: Final = 1_767_263_400


def answer(path: list[str]) -> tuple[HTTPStatus, Any]:
    """One reading below /v1."""
    match path:
        case ["checkout", "sessions", session] if session.startswith(SESSION):
            return HTTPStatus.OK, {
                "id": session,
                "object": "checkout.session",
                "payment_status": "paid",
                "client_reference_id": customer_of_session(session),
                "amount_total": CENTS,
                "currency": "usd",
                "payment_intent": INTENT + session.removeprefix(SESSION),
                "created": _CREATED,
            }
        case _:
            return HTTPStatus.OK, NONE
