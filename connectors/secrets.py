"""Credentials at rest: AES-256-GCM, bound to the table, row and field they belong to, with keys that can be rotated
while running."""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION, NONCE_BYTES, KEY_BYTES = "v1", 12, 32


class SealError(Exception):
    """Says in one sentence what is wrong, without showing anything of the value."""


class NeedsKey(SealError):
    """The value is whole, but the key it was sealed with is not on the ring. The Channel says “needs key”; nothing
    crashes."""


@dataclass(frozen=True)
class Ring:
    """The installation's keys by id; the first one writes, all read. `repr` shows ids only."""

    keys: dict[str, bytes]

    @classmethod
    def parse(cls, words: Iterable[str]) -> Self:
        """`id:base64` or plain `base64` of 32 bytes each; without an id, it is the start of the key's SHA-256."""
        keys: dict[str, bytes] = {}
        for number, word in enumerate(words, 1):
            name, _, text = word.rpartition(":")
            try:
                key = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
            except (ValueError, binascii.Error):
                raise SealError(f"Key {number} of SEAL_KEYS is not base64.") from None
            if len(key) != KEY_BYTES:
                raise SealError(f"Key {number} of SEAL_KEYS has {len(key)} bytes; it must have {KEY_BYTES}.")
            keys.setdefault(name or hashlib.sha256(key).hexdigest()[:8], key)
        if not keys:
            raise SealError("SEAL_KEYS is empty; secrets can be neither kept nor read.")
        return cls(keys)

    def __repr__(self) -> str:
        return f"Ring({', '.join(self.keys)})"

    @property
    def writing(self) -> str:
        """The id of the key that seals from now on."""
        return next(iter(self.keys))

    def seal(self, plain: str, *, table: str, row: int | str, field: str) -> str:
        """`v1:key_id:nonce:ciphertext`, which opens only for the same table, row and field."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self.keys[self.writing]).encrypt(nonce, plain.encode(), _place(table, row, field))
        return ":".join((VERSION, self.writing, _text(nonce), _text(sealed)))

    def open(self, sealed: str, *, table: str, row: int | str, field: str) -> str:
        """Raises NeedsKey when its key is missing, SealError when it was changed or stands in a place it was not
        sealed for."""
        key_id, nonce, ciphertext = _parts(sealed)
        if key_id not in self.keys:
            raise NeedsKey(f"The value was sealed with key {key_id}, which is not in SEAL_KEYS.")
        try:
            return AESGCM(self.keys[key_id]).decrypt(nonce, ciphertext, _place(table, row, field)).decode()
        except InvalidTag:
            raise SealError(f"The sealed value of {table}.{field} was changed, or belongs to another row.") from None

    def resealed(self, sealed: str, *, table: str, row: int | str, field: str) -> str | None:
        """The value under the writing key, or None when it is already: what a rotation writes, row by row."""
        if key_of(sealed) == self.writing:
            return None
        return self.seal(self.open(sealed, table=table, row=row, field=field), table=table, row=row, field=field)


def ring() -> Ring:
    """The ring of this installation's settings."""
    from django.conf import settings

    return Ring.parse(settings.SEAL_KEYS)


def seal(plain: str, *, table: str, row: int | str, field: str) -> str:
    return ring().seal(plain, table=table, row=row, field=field)


def open(sealed: str, *, table: str, row: int | str, field: str) -> str:  # noqa: A001
    return ring().open(sealed, table=table, row=row, field=field)


def key_of(sealed: str) -> str:
    """The id of the key a value is sealed with; a key still named by some value must not be dropped."""
    return _parts(sealed)[0]


def _parts(sealed: str) -> tuple[str, bytes, bytes]:
    """The id of a key may hold a colon itself; what stands behind it does not."""
    try:
        head, nonce, ciphertext = sealed.rsplit(":", 2)
        version, _, key_id = head.partition(":")
        parts = key_id, base64.b64decode(nonce, validate=True), base64.b64decode(ciphertext, validate=True)
    except ValueError:
        raise SealError("This is not a sealed value.") from None
    if version != VERSION or len(parts[1]) != NONCE_BYTES:
        raise SealError("This is not a sealed value of a kind known here.")
    return parts


def _place(table: str, row: int | str, field: str) -> bytes:
    return f"{table}\n{row}\n{field}".encode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
