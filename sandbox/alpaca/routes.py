"""Alpaca's routes about journals, with the first seed's /funding in front of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from flask import Response, request

from sandbox import amounts
from sandbox.alpaca.errors import AlpacaError, invalid
from sandbox.alpaca.reads import listed, shown_journal
from sandbox.http import Routes, json_body, reply
from sandbox.times import parse

_MOST_ROWS = 100_000


class JournalRoutes(Routes):
    """Creating, reading and calling off journals."""

    table: ClassVar = (
        ("POST", "/v1/journals", "create"),
        ("GET", "/v1/journals", "list_all"),
        ("POST", "/v1/journals/batch", "create_batch"),
        ("POST", "/v1/journals/reverse_batch", "create_reverse_batch"),
        ("GET", "/v1/journals/<journal_id>", "get"),
        ("DELETE", "/v1/journals/<journal_id>", "delete"),
        ("POST", "/funding", "fund"),
    )

    def _once(self, body: dict[str, Any], act: Callable[[str | None], Any]) -> Response:
        """Answer as the first time if the key was seen before; by default refusals are first answers too."""
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return reply(act(None))
        keys = self.world.alpaca.keys
        known = keys.recall(request.path, key, body)
        if known is not None:
            return reply(known[1], known[0])
        try:
            status, answer = 200, act(key)
        except AlpacaError as error:
            status, answer = error.status, error.body
        if status == 200 or self.world.config.idempotency_keeps_refusals:  # noqa: PLR2004 - HTTP
            keys.remember(request.path, key, body, status, answer)
        return reply(answer, status)

    def create(self) -> Response:
        """One journal."""
        body = json_body()
        return self._once(body, lambda key: self.world.alpaca.journals.create(body, key).as_json())

    def create_batch(self) -> Response:
        """One payer, many payees; each item of the array may carry `error_message`."""
        body = json_body()
        shared = {name: value for name, value in body.items() if name != "entries"}
        entries = _entries(body)
        return self._once(body, lambda key: [self._one_of_batch({**shared, **entry}, key) for entry in entries])

    def create_reverse_batch(self) -> Response:
        """Many payers, one payee. No idempotency key here, as at Alpaca."""
        body = json_body()
        shared = {name: value for name, value in body.items() if name != "entries"}
        return reply([self._one_of_batch({**shared, **entry}, None) for entry in _entries(body)])

    def _one_of_batch(self, wanted: dict[str, Any], key: str | None) -> dict[str, Any]:
        try:
            return self.world.alpaca.journals.create(wanted, key, "batch").as_json()
        except AlpacaError as error:
            return {**wanted, "id": None, "status": "rejected", "error_message": error.body["message"]}

    def list_all(self) -> Response:
        """An array by days (`after` and `before`, YYYY-MM-DD, both included), status, type and accounts."""
        query = request.args
        first, last = (_day(query.get(name)) for name in ("after", "before"))
        wanted = {name: query[name] for name in ("status", "to_account", "from_account") if name in query}
        of_type = query.get("entry_type") in {None, "JNLC"}
        found = [
            journal
            for journal in self.world.alpaca.journals.by_id.values()
            if of_type
            and (first is None or journal.day >= first)
            and (last is None or journal.day <= last)
            and all(getattr(journal, name) == value for name, value in wanted.items())
        ]
        limit = query.get("limit")
        if limit is not None and (not limit.isdecimal() or int(limit) < 1):
            raise invalid("limit must be a whole number above zero")
        if len(found) > _MOST_ROWS:
            raise invalid("too many rows: narrow the dates")
        return reply(listed(self.world, found[: int(limit)] if limit else found))

    def get(self, journal_id: str) -> Response:
        """One journal."""
        return reply(shown_journal(self.world, self.world.alpaca.journals.get(journal_id)))

    def delete(self, journal_id: str) -> Response:
        """Call off a pending journal."""
        self.world.alpaca.journals.delete(journal_id)
        return Response(status=204)

    def fund(self) -> Response:
        """The first seed's funding call: a journal from the firm, and a reply of our own invention."""
        body = json_body()
        wanted = {
            "entry_type": "JNLC",
            "from_account": self.world.alpaca.firm_account_id,
            "to_account": body.get("accountId"),
            "amount": body.get("amount"),
            "currency": body.get("currency"),
            "description": body.get("description"),
        }

        def act(key: str | None) -> dict[str, Any]:
            journal = self.world.alpaca.journals.create(wanted, key)
            return {
                "id": journal.id,
                "accountId": journal.to_account,
                "amount": amounts.plain(journal.amount),
                "currency": "USD",
                "status": journal.status,
            }

        return self._once(body, act)


def _entries(body: dict[str, Any]) -> list[dict[str, Any]]:
    entries = body.get("entries")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise invalid("entries must be a list of objects")
    return entries


def _day(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return parse(text).strftime("%Y-%m-%d")
    except ValueError as error:
        raise invalid("dates are YYYY-MM-DD") from error
