"""What all of Stripe's routes share: parameters, lookup, lists, and answers that are given once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Response, request

from sandbox.http import Routes, reply
from sandbox.stripe.errors import StripeError, invalid, missing
from sandbox.stripe.form import Params, parsed
from sandbox.stripe.idempotency import Asked
from sandbox.stripe.lists import PAGING, paged
from sandbox.stripe.model import Record
from sandbox.stripe.reads import shown
from sandbox.stripe.state import Caller

_R = TypeVar("_R", bound=Record)
_FORM = "application/x-www-form-urlencoded"


class StripeRoutes(Routes):
    """Objects are seen only with a key of their own mode."""

    @property
    def caller(self) -> Caller:
        """Who asks."""
        caller = self.world.stripe.caller
        if caller is None:
            raise StripeError(401, "You did not provide an API key.")
        return caller

    def _query(self, *allowed: str) -> Params:
        return Params(parsed(request.query_string.decode("latin-1")), allowed)

    def _once(self, allowed: tuple[str, ...], act: Callable[[Params], Any]) -> Response:
        """Answer as the first time if the key was seen before.

        What was refused before it began to run is not kept, so that a corrected request may use the key again.
        """
        text = request.get_data().decode("latin-1")
        if text and request.mimetype not in {_FORM, ""}:
            raise invalid(f"Invalid request (check that your POST content type is {_FORM}).")
        given = parsed(text)
        key, keys, livemode = request.headers.get("Idempotency-Key"), self.world.stripe.keys, self.caller.livemode
        asked = Asked(request.path, given)
        if key and (known := keys.recall(livemode, key, asked)) is not None:
            return reply(known[1], known[0], {"Idempotent-Replayed": "true"})
        try:
            status, answer = 200, act(Params(given, allowed))
        except StripeError as error:
            if not error.kept:
                raise
            status, answer = error.status, error.logged_as(self.caller.request_id)
        if key:
            keys.remember(livemode, key, asked, status, answer)
        return reply(answer, status)

    def _found(
        self, shelf: Mapping[str, _R], record_id: str, kind: type[_R], param: str = "id", status: int = 404
    ) -> _R:
        record = shelf.get(record_id)
        if record is None or record.livemode != self.caller.livemode:
            raise missing(kind.name, record_id, param, status)
        return record

    def _list(
        self,
        records: Mapping[str, _R],
        filters: Mapping[str, Callable[[_R], str | None]],
        *,
        view: Callable[[dict[str, Any]], dict[str, Any]] = dict,
        listed: Callable[[_R], None] = lambda _: None,
    ) -> Response:
        """A page by cursors, `created` and these filters; `listed` is told of each object once the page is made."""
        params = self._query(*PAGING, *filters)
        chosen = {name: value for name in filters if (value := params.text(name)) is not None}
        mine = [record for record in records.values() if record.livemode == self.caller.livemode]
        page, more = paged(
            self.world,
            mine,
            params,
            lambda record: all(filters[name](record) == value for name, value in chosen.items()),
        )
        data = [view(shown(self.world, record)) for record in page]
        for record in page:
            listed(record)
        return reply({"object": "list", "url": request.path, "has_more": more, "data": data})
