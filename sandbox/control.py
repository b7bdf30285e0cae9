"""The control API: how tests, the demo and people steer the world and look into it."""

from __future__ import annotations

from itertools import islice
from typing import Any, ClassVar

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from sandbox.alpaca.errors import AlpacaError
from sandbox.bridge.control import BridgeControl
from sandbox.control_alpaca import AlpacaControl
from sandbox.control_due import DueControl
from sandbox.due.errors import DueError
from sandbox.gate import Gate, RateLimit
from sandbox.http import Routes, json_body, reply
from sandbox.ibex.control import IbexControl
from sandbox.stripe.control import StripeControl
from sandbox.world import World

_REQUESTS_SHOWN = 200
_ROWS_SHOWN = 50


def create_control_app(world: World) -> Flask:
    """The control API under /_control, and a page for people at / and /_control."""
    app = Flask("sandbox")  # the package, for its templates
    for routes in (WorldControl, DueControl, AlpacaControl, BridgeControl, IbexControl, StripeControl):
        routes(world).register(app)
    app.register_error_handler(HTTPException, lambda error: reply({"error": error.name}, error.code or 500))
    app.register_error_handler(KeyError, lambda error: reply({"error": f"not found: {error.args[0]}"}, 404))
    app.register_error_handler(ValueError, lambda error: reply({"error": str(error)}, 422))
    app.register_error_handler(TypeError, lambda error: reply({"error": str(error)}, 422))
    app.register_error_handler(AlpacaError, lambda error: reply({"error": error.body["message"]}, error.status))
    app.register_error_handler(DueError, lambda error: reply({"error": error.body["message"]}, error.status))
    app.wsgi_app = Gate(app.wsgi_app, world, "control", RateLimit(None), lambda _, message: {"error": message})  # type: ignore[method-assign] # Flask's own way to add middleware
    return app


class WorldControl(Routes):
    """What concerns every provider."""

    table: ClassVar = (
        ("GET", "/", "page"),
        ("GET", "/_control", "page"),
        ("GET", "/_control/balances", "balances"),
        ("GET", "/_control/effects", "effects"),
        ("GET", "/_control/counts", "counts"),
        ("GET", "/_control/requests", "requests"),
        ("GET", "/_control/deliveries", "deliveries"),
        ("GET", "/_control/faults", "faults"),
        ("PUT", "/_control/faults", "set_faults"),
        ("DELETE", "/_control/faults", "clear_faults"),
        ("PUT", "/_control/keys", "set_keys"),
        ("POST", "/_control/reset", "reset"),
        ("POST", "/_control/customers", "add_customer"),
    )

    def page(self) -> str:
        """Everything at a glance, for people."""
        world = self.world
        transfers = islice(reversed(world.due.transfers.values()), _ROWS_SHOWN)
        journals = islice(reversed(world.alpaca.journals.by_id.values()), _ROWS_SHOWN)
        return render_template(
            "page.html",
            seed=world.seed,
            now=world.now().isoformat(timespec="seconds"),
            balances=self._balances(),
            effects=world.effects.summary(),
            faults=self._faults(),
            counts=self._counts(),
            transfers=[world.due.life.summary(one) for one in transfers],
            journals=[one.as_json() for one in journals],
            deliveries=self._deliveries(_ROWS_SHOWN),
            requests=list(reversed(world.requests))[:_ROWS_SHOWN],
        )

    def balances(self) -> Response:
        """Due's holdings by currency, dollars under way, Alpaca's cash."""
        return reply(self._balances())

    def _balances(self) -> dict[str, Any]:
        alpaca, cash = self.world.alpaca, self.world.alpaca.balances()
        firm = alpaca.ledger.account(alpaca.firm_account_id)
        return {
            "due": self.world.due.balances(),
            "in_transit": {"USD": self.world.payouts.in_transit()},
            "alpaca": {
                "firm": {"id": firm.id, "cash": cash.pop(firm.id), "reserved": f"{firm.reserved:.2f}"},
                "accounts": cash,
            },
            "bridge": self.world.bridge.balances(),
            "ibex": self.world.ibex.balances(),
            "stripe": self.world.stripe.balances(),
        }

    def effects(self) -> Response:
        """Journals intended, made, doubled, missing, unexpected; under each other provider what was made there."""
        others = {
            "bridge": self.world.bridge.effects(),
            "ibex": self.world.ibex.effects(),
            "stripe": self.world.stripe.effects(),
        }
        return reply(self.world.effects.summary() | others)

    def counts(self) -> Response:
        """Webhooks by what became of them, requests seen, faults that struck."""
        return reply(self._counts())

    def _counts(self) -> dict[str, Any]:
        names = ("events", "sent", "dropped", "doubled", "reordered", "late", "answered", "failed")
        return {
            "webhooks": {name: self.world.outbox.counts[name] for name in names},
            "faults": dict(self.world.faults.counts),
            "transfers": len(self.world.due.transfers),
            "journals": len(self.world.alpaca.journals.by_id),
        }

    def requests(self) -> Response:
        """The latest requests to the providers, newest first; `limit`, `provider`."""
        wanted, limit = request.args.get("provider"), int(request.args.get("limit", _REQUESTS_SHOWN))
        seen = [one for one in reversed(self.world.requests) if wanted in {None, one["provider"]}]
        return reply(seen[:limit])

    def deliveries(self) -> Response:
        """The latest webhooks and how each went, newest first; `limit`."""
        return reply(self._deliveries(int(request.args.get("limit", _REQUESTS_SHOWN))))

    def _deliveries(self, limit: int) -> list[dict[str, Any]]:
        events = [event for log in self.world.outbox.events.values() for event in log[-limit:]]
        events.sort(key=lambda event: event.occurred_at, reverse=True)
        return [
            {
                "id": event.id,
                "type": event.type,
                "provider": event.provider,
                "subject": event.subject,
                "status": event.status,
                "occurred_at": event.occurred_at.isoformat(),
                "attempts": event.attempts,
                "answer": event.response_status,
                "error": event.last_error,
            }
            for event in events[:limit]
        ]

    def faults(self) -> Response:
        """The rules in force and how often each fault has struck."""
        return reply(self._faults())

    def _faults(self) -> dict[str, Any]:
        return {"rules": self.world.faults.as_json(), "counts": dict(self.world.faults.counts)}

    def set_faults(self) -> Response:
        """Ask for a fault, `{name, provider, probability, times, only, ...}`, or for several as `{"faults": [...]}`."""
        body = json_body()
        for one in body.get("faults", [body]):
            self.world.faults.set(**one)
        return self.faults()

    def clear_faults(self) -> Response:
        """Take one fault away (`?name=`), or all."""
        self.world.faults.clear(request.args.get("name"))
        return self.faults()

    def set_keys(self) -> Response:
        """Take exactly these keys from now on, named as in the config: `{due_api_keys?, alpaca_keys?, ...}`."""
        self.world.renew_keys(**json_body())
        return reply({})

    def reset(self) -> Response:
        """Forget everything; `{"seed": n}` begins again from another seed."""
        seed = json_body().get("seed")
        self.world.reset(None if seed is None else int(seed))
        return reply({"seed": self.world.seed, "firm_account_id": self.world.alpaca.firm_account_id})

    def add_customer(self) -> Response:
        """A customer at Due and Alpaca, ready for deposits: `{name?, currency_in?, schema_in?, reference?}`."""
        body, due = json_body(), self.world.due
        account = due.add_account(name=body.get("name", "Ana Pires"))
        recipient = due.add_recipient(account.id, firm=True)
        virtual = due.add_virtual_account(
            account.id,
            recipient.id,
            currency_in=body.get("currency_in", "USDC"),
            schema_in=body.get("schema_in", "evm"),
            reference=body.get("reference"),
        )
        brokerage = self.world.alpaca.add_account()
        return reply(
            {
                "account": account.id,
                "recipient": recipient.id,
                "virtual_account": virtual.id,
                "key": virtual.key,
                "currency_in": virtual.currency_in,
                "currency_out": virtual.currency_out,
                "brokerage_account": brokerage,
                "brokerage_number": self.world.alpaca.accounts[brokerage].number,
            },
            201,
        )
