"""Ibex's routes about webhooks: one an account, and telling once more."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from flask import Response

from sandbox.http import Routes, json_body, reply
from sandbox.ibex.bodies import text
from sandbox.ibex.errors import IbexError, bad, not_found
from sandbox.ibex.model import Subscription


class WebhookRoutes(Routes):
    """The secret is never shown."""

    table: ClassVar = (
        ("POST", "/accounts/<account_id>/webhooks", "create"),
        ("GET", "/accounts/<account_id>/webhooks", "show"),
        ("PUT", "/accounts/<account_id>/webhooks", "change"),
        ("DELETE", "/accounts/<account_id>/webhooks", "delete"),
        ("GET", "/transactions/<transaction_id>/webhooks/trigger", "trigger"),
    )

    def create(self, account_id: str) -> Response:
        """`{url, secret}`."""
        self.world.ibex.account(account_id)
        if account_id in self.world.ibex.webhooks.of_account:
            raise IbexError(self.world.config.ibex_webhook_conflict, "webhook already exists")
        body = json_body()
        made = self.world.ibex.webhooks.subscribe(account_id, _url(body), text(body, "secret"))
        return reply(_view(made), 201)

    def show(self, account_id: str) -> Response:
        """The account's webhook."""
        return reply(_view(self._of(account_id)))

    def change(self, account_id: str) -> Response:
        """Another url or secret."""
        found, body = self._of(account_id), json_body()
        url = _url(body) if "url" in body else found.url
        found.secret = text(body, "secret") if "secret" in body else found.secret
        found.url = url
        return reply(_view(found))

    def delete(self, account_id: str) -> Response:
        """No more webhooks of this account."""
        self._of(account_id)
        del self.world.ibex.webhooks.of_account[account_id]
        return Response(status=204)

    def trigger(self, transaction_id: str) -> Response:
        """Tell of a transaction once more."""
        if not self.world.ibex.webhooks.tell(self.world.ibex.transaction(transaction_id)):
            raise not_found("webhook")
        return reply({})

    def _of(self, account_id: str) -> Subscription:
        self.world.ibex.account(account_id)
        found = self.world.ibex.webhooks.of_account.get(account_id)
        if found is None:
            raise not_found("webhook")
        return found


def _url(body: dict[str, Any]) -> str:
    url = text(body, "url")
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
        raise bad("url is not valid")
    return url


def _view(one: Subscription) -> dict[str, Any]:
    return {"id": one.id, "accountId": one.account_id, "url": one.url}
