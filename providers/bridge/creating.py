"""Calls that make something at Bridge: which of its refusals leave open whether it was made, and what they name."""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar
from uuid import UUID

from funding.errors import OutcomeUnknown, ProviderRejected
from funding.ports.bridge import NO_RETURN_ADDRESS
from providers.answers import problem
from providers.http import ProviderClient, Request

Loaded = TypeVar("Loaded")
# Refusals of a create that leave open whether an earlier one made the object: the key came with another body before,
# or something like it is there already. So does any 422, which is how a key of more than a day is answered.
_MAY_EXIST: Final = frozenset({"not_truly_idempotent", "duplicate_record"})
_DEAD_KEY: Final = 422
_RETURN: Final = "return_instructions"


def create(
    client: ProviderClient, operation: str, path: str, body: str, *, key: UUID, load: Callable[[Any], Loaded]
) -> Loaded:
    """Make one object under a key; within a day the same key and body get the first answer again.

    Raises: OutcomeUnknown (may exist; `answered` when the key itself is refused: only a look-up helps),
    ProviderRejected (did not happen), ProviderUnavailable (not sent), ProviderThrottled (not done), Misconfigured.
    """
    call = Request(
        operation=operation,
        method="POST",
        path=path,
        body=body,
        headers={"Idempotency-Key": str(key)},  # on POST only: Bridge refuses it on any other method
        creates=True,
        problem=_problem,
    )
    try:
        return client.call(call, load)
    except ProviderRejected as refusal:
        if refusal.status != _DEAD_KEY and refusal.code not in _MAY_EXIST:
            raise
        raise OutcomeUnknown(
            str(refusal),
            provider=refusal.provider,
            request_id=refusal.request_id,
            status=refusal.status,
            code=refusal.code,
        ) from refusal


def _problem(body: bytes) -> tuple[str | None, str | None]:
    """The code and text of an error; `NO_RETURN_ADDRESS` when the field it names is where tokens go back to.

    `source.key` names a field, as text or as the key of an object.
    Source: Bridge API docs, "Errors" and "Create a transfer", whose fields do not hold this one; read 2026-11.
    """
    code, said = problem(body)
    if code != "invalid_parameters":
        return code, said
    source = json.loads(body).get("source")
    key = source.get("key") if isinstance(source, dict) else None
    named = [key] if isinstance(key, str) else list(key) if isinstance(key, dict) else []
    return (NO_RETURN_ADDRESS if any(str(one).startswith(_RETURN) for one in named) else code), said
