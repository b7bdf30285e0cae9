"""What stands for a signature at IBEX: a secret of ours, echoed within the body.

It proves no byte of the rest and tells no time, so nothing that a body says is more than a hint; and a body is stored
and logged only without it.
Source: IBEX documentation, "Webhooks", as copied in 2026; nothing else is published.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from providers import webhook_keys
from providers.fields import WrongShape
from providers.ibex import exact
from providers.ibex.exact import Members
from providers.receiving import Proved
from providers.rotation import Secret, Windowed
from providers.webhook_keys import (
    Headers,
    SignatureMalformed,
    SignatureMissing,
    WebhookKey,
    first_match,
)

HEADER: Final = "X-Webhook-Secret"
_NAMES: Final = ("webhookSecret", "secret")  # the first that is there counts, even if nothing can be made of it
_HIDDEN: Final = frozenset({"webhooksecret", "secret", "xwebhooksecret"})


def load_secrets(entries: Sequence[Windowed[Secret]]) -> tuple[WebhookKey[bytes], ...]:
    """Secrets ready for `prove`. An empty one is left out: it would prove everybody."""
    return tuple(secret for secret in webhook_keys.load_secrets(entries) if secret.key.strip())


def prove(body: bytes, headers: Headers, secrets: Sequence[WebhookKey[bytes]], now: datetime) -> Proved:
    """Find the secret in a body, or in its header, compare it, and take it away; numbers stay digit for digit.

    Raises: SignatureRefused, in its kinds; WrongShape: not a JSON object, or too deep to be read.
    """
    said = exact.parse_as_written(body)
    if not isinstance(said, Members):
        raise WrongShape("the body must be an object")
    found = _found(said, headers)
    if not isinstance(found, str) or not found:
        raise SignatureMalformed
    shown = found.encode("utf-8", "surrogatepass")
    key = first_match(secrets, now, lambda secret: hmac.compare_digest(secret, shown))
    try:
        return Proved(key, exact.dump(_without(said, found)).encode())
    except RecursionError:
        raise WrongShape("nested too deeply") from None


def _found(said: Members, headers: Headers) -> Any:
    """What is said in the place of the secret. Raises: SignatureMissing."""
    top = dict(said.pairs)
    for name in _NAMES:
        if name in top:
            return top[name]
    data = top.get("data")
    inner = dict(data.pairs) if isinstance(data, Members) else {}
    if _NAMES[0] in inner:
        return inner[_NAMES[0]]
    header = headers.get(HEADER)
    if header is None:
        raise SignatureMissing
    return header


def _without(value: Any, secret: str) -> Any:
    """The value without any field of such a name, wherever it stands, and without the secret's text anywhere else."""
    if isinstance(value, Members):
        return Members(
            tuple(
                (_hidden(name, secret), _without(inner, secret)) for name, inner in value.pairs if not _is_secret(name)
            )
        )
    if isinstance(value, list):
        return [_without(inner, secret) for inner in value]
    return _hidden(value, secret) if isinstance(value, str) else value


def _hidden(text: str, secret: str) -> str:
    return text.replace(secret, "[secret]")


def _is_secret(name: str) -> bool:
    return name.replace("_", "").replace("-", "").lower() in _HIDDEN
