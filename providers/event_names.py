"""How an event is called, so that it is stored once whichever way it comes: webhook, delivery log, stream."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

# Ids of our own making share the unique index with the provider's: none of theirs may look like one of ours.
_OWN_IDS: Final = re.compile(r"(poll|replay|stream|named|fields|sha256):")
_PLAIN_ID: Final = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class EventName:
    """How an event is told apart from all others of its provider.

    An `id` of `sha256:` and the digest of the bytes means that the body names nothing: the same bytes may be
    another event, so storing adds an arrival number.
    """

    id: str
    type: str | None


def storable_id(text: str) -> str:
    """The provider's id as it is when it is plain; a digest of it when it is long, odd, or looks like one of ours."""
    if _PLAIN_ID.fullmatch(text) and not _OWN_IDS.match(text):
        return text
    return f"named:{digest_of(text)}"


def clean_type(value: object) -> str | None:
    """An event type fit for a column: printable, at most 100 characters; None when it is not text."""
    if not isinstance(value, str) or not value:
        return None
    kept = value[:100]
    return kept if kept.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in kept)


def digest_of(*texts: str) -> str:
    """A digest of texts that may hold anything, lone surrogates too."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
