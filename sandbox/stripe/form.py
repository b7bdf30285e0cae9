"""Form-encoded parameters as Stripe reads them: `a[b]=x` nests, `a[]=x` and `a[0]=x` make lists."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe.errors import invalid, required, unknown

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_MOST_FIELDS = 1000
_MOST_METADATA, _LONGEST_NAME, _LONGEST_VALUE = 50, 40, 500
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_ALWAYS = ("expand",)  # every endpoint takes it; nothing here is ever expanded


def parsed(text: str) -> dict[str, Any]:
    """Nested maps of text; a list is a map whose names are its indices. Raises: StripeError 400."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise invalid("Invalid request: too many parameters") from error
    root: dict[str, Any] = {}
    for name, value in pairs:
        found = _NAME.fullmatch(name)
        if found is None:
            raise unknown(name)
        _put(root, [found[1], *found[2][1:-1].split("][")] if found[2] else [found[1]], name, value)
    return root


def _put(root: dict[str, Any], path: list[str], name: str, value: str) -> None:
    node = root
    for step in path[:-1]:
        node = node.setdefault(step or str(len(node)), {})
        if not isinstance(node, dict):
            raise invalid(f"Invalid parameter: {name}", name)
    last = path[-1] or str(len(node))
    if isinstance(node.get(last), dict):
        raise invalid(f"Invalid parameter: {name}", name)
    node[last] = value


class Params:
    """One request's parameters, none of them unknown. Empty text is as good as absent. Raises: StripeError 400."""

    def __init__(self, given: dict[str, Any], allowed: Collection[str]) -> None:
        for name in given:
            if name not in allowed and name not in _ALWAYS:
                raise unknown(name)
        self._given = given

    def text(self, name: str) -> str | None:
        """Plain text."""
        value = self._given.get(name)
        if isinstance(value, dict):
            raise invalid("Invalid string: a map", name)
        return value or None

    def needed(self, name: str) -> str:
        """Text that must be there."""
        value = self.text(name)
        if value is None:
            raise required(name)
        return value

    def choice(self, name: str, among: Collection[str]) -> str | None:
        """One of these words."""
        value = self.text(name)
        if value is not None and value not in among:
            raise invalid(f"Invalid {name}: must be one of {', '.join(sorted(among))}", name)
        return value

    def flag(self, name: str) -> bool | None:
        """`true` or `false`."""
        value = self.choice(name, ("true", "false"))
        return None if value is None else value == "true"

    def whole(self, name: str, least: int | None = None, most: int | None = None) -> int | None:
        """A whole number within limits."""
        value = self.text(name)
        return None if value is None else _whole(value, name, least, most)

    def mapping(self, name: str) -> dict[str, Any] | None:
        """A map, as it came."""
        value = self._given.get(name)
        if isinstance(value, dict):
            return value
        if value:
            raise invalid("Invalid object", name)
        return None

    def items(self, name: str) -> list[Any] | None:
        """A list, sent with or without indices."""
        value = self.mapping(name)
        if value is None:
            return None
        if not all(_WHOLE.fullmatch(index) for index in value):
            raise invalid("Invalid array", name)
        return [value[index] for index in sorted(value, key=int)]

    def texts(self, name: str) -> list[str] | None:
        """A list of text."""
        values = self.items(name)
        if values is not None and not all(isinstance(value, str) and value for value in values):
            raise invalid("Invalid array of strings", name)
        return values

    def metadata(self, name: str = "metadata") -> dict[str, str]:
        """Up to 50 pairs of text; what has no value is left out."""
        given = self.mapping(name) or {}
        if len(given) > _MOST_METADATA:
            raise invalid("Metadata can have at most 50 keys", name)
        for key, value in given.items():
            if not isinstance(value, str) or len(key) > _LONGEST_NAME or len(value) > _LONGEST_VALUE:
                raise invalid("Metadata are short texts: keys of 40 characters, values of 500", f"{name}[{key}]")
        return {key: value for key, value in given.items() if value}

    def range(self, name: str) -> dict[str, int]:
        """`name=5` as {"eq": 5}, `name[gte]=5` as {"gte": 5}."""
        value = self._given.get(name)
        if not value:
            return {}
        bounds = value if isinstance(value, dict) else {"eq": value}
        if not set(bounds) <= {"eq", "gt", "gte", "lt", "lte"}:
            raise unknown(name)
        return {word: _whole(text, f"{name}[{word}]") for word, text in bounds.items()}


def _whole(value: Any, name: str, least: int | None = None, most: int | None = None) -> int:
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise invalid(f"Invalid integer: {str(value)[:40]}", name, "parameter_invalid_integer")
    number = int(value)
    if (least is not None and number < least) or (most is not None and number > most):
        raise invalid(f"This value must be between {least} and {most}.", name, "parameter_invalid_integer")
    return number
