"""What is kept of a provider's words: nothing that belongs to a person."""

import pytest

from providers.answers import redacted


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("write to ana.b@example.com", "write to [redacted]"),
        ("card 4111 1111 1111 1111 declined", "card [redacted] declined"),
        ("account 123456789", "account [redacted]"),
        ("accounts 12-3456-7890, 55", "accounts [redacted], 55"),
        ("no\nnew\x1blines", "no new lines"),
    ],
)
def test_addresses_and_long_numbers_are_left_out(said: str, kept: str) -> None:
    assert redacted(said) == kept


def test_an_id_stays_whole_however_many_digits_it_has() -> None:
    """An operator looks it up at the provider; half of one helps nobody."""
    said = "account 12345678-1234-4321-1234-123456789012 may not receive journals"
    assert redacted(said) == said
    assert (
        redacted("12345678-1234-4321-1234-123456789012 34567890") == "12345678-1234-4321-1234-123456789012 [redacted]"
    )
