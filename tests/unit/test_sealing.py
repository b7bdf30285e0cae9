"""Sealed bodies open with their key and in their place only."""

import pytest

from db.sealing import CannotOpen, EncryptionKey, Sealed, Sealer

OLD, NEW = EncryptionKey("old", bytes(32)), EncryptionKey("new", bytes([1]) * 32)
BODY = b'{"account":"900100200300"}'


def test_a_body_comes_back_and_is_not_readable_meanwhile() -> None:
    sealed = Sealer([NEW, OLD]).seal(BODY, context="due:1")

    assert sealed.key == "new"
    assert b"900100200300" not in sealed.data
    assert Sealer([NEW, OLD]).open(sealed, context="due:1") == BODY


def test_the_same_body_is_never_sealed_the_same_way() -> None:
    sealer = Sealer([NEW])

    assert sealer.seal(BODY, context="due:1").data != sealer.seal(BODY, context="due:1").data


def test_an_old_key_still_opens_after_rotation() -> None:
    assert Sealer([NEW, OLD]).open(Sealer([OLD]).seal(BODY, context="due:1"), context="due:1") == BODY


def test_without_keys_bodies_stay_plain_and_stay_readable_when_keys_come() -> None:
    plain = Sealer().seal(BODY, context="due:1")

    assert plain == Sealed(BODY, None)
    assert Sealer([NEW]).open(plain, context="due:1") == BODY


def test_a_key_that_is_gone_a_changed_body_and_a_moved_body_do_not_open() -> None:
    sealed = Sealer([NEW]).seal(BODY, context="due:1")
    changed = Sealed(sealed.data[:-1] + bytes([sealed.data[-1] ^ 1]), "new")

    for sealer, stored, context in [
        (Sealer([OLD]), sealed, "due:1"),
        (Sealer(), sealed, "due:1"),
        (Sealer([NEW]), changed, "due:1"),
        (Sealer([NEW]), sealed, "due:2"),
        (Sealer([NEW]), Sealed(sealed.data[:5], "new"), "due:1"),
        (Sealer([NEW]), Sealed(b"", "new"), "due:1"),
        (Sealer([EncryptionKey("new", bytes(32))]), sealed, "due:1"),
    ]:
        with pytest.raises(CannotOpen):
            sealer.open(stored, context=context)
