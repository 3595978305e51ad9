"""Sealed text: AES-256-GCM records, so that a copy of Redis shows neither messages nor tokens.

A record is `sealed:1:<key id>:<nonce and ciphertext in base64url>`. It opens only with its key, for the tenant and
the purpose that it was sealed for. This file knows keys and tenants; it does not know Redis.

The key id is in clear: the first 8 hex digits of the key's SHA-256. The nonce is random, 96 bits; NIST SP 800-38D
(8.3) allows 2^32 records under one key then, which is 16 months at 100 a second: change the key once a year.
"""

import base64
import binascii
import hashlib
import json
import os
import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bot.errors import Unreadable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
DISTINCT_MIN: Final = 16
"""Different bytes in a key. 32 random ones hold fewer about once in 10^15 keys; typed and repeated ones often do."""

_SEALED: Final = "sealed:"
_PLAIN: Final = "plain:"
_RECORD: Final = re.compile(r"sealed:1:([0-9a-f]{8}):([A-Za-z0-9_-]+)")
_HOW: Final = "`routernesia-bot key` makes one"


class Seal:
    """Seals text with the first of its keys and opens what any of them sealed; without keys it seals nothing.

    Text that was stored before there was a key is still read. So is text that somebody with write access to Redis
    puts there unsealed: sealing keeps secrets, and binds a record to its tenant, but cannot tell who wrote plain text.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers = _ciphers(keys)
        self._first = next(iter(self._ciphers), "")

    def use(self, keys: Sequence[bytes]) -> None:
        """Seal and open with these keys from now on."""
        ciphers = _ciphers(keys)
        self._ciphers, self._first = ciphers, next(iter(ciphers), "")

    @property
    def enabled(self) -> bool:
        """Whether there is a key."""
        return bool(self._ciphers)

    def seal(self, text: str, *, tenant: str, purpose: str = "") -> str:
        """The text as a record. Without a key the text itself, marked where it could be taken for a record.

        `tenant` is whose it is (a workspace), `purpose` what it is; neither can be read from the record.
        """
        if not self._ciphers:
            return _PLAIN + text if text.startswith((_SEALED, _PLAIN)) else text
        nonce = os.urandom(NONCE_BYTES)
        # surrogatepass: half a character, which some chat clients send, comes back as it was.
        content = text.encode("utf-8", "surrogatepass")
        sealed = self._ciphers[self._first].encrypt(nonce, content, _bound(tenant, purpose))
        return f"{_SEALED}1:{self._first}:{_base64url(nonce + sealed)}"

    def open(self, text: str, *, tenant: str, purpose: str = "") -> str:
        """The text of a record; text that is none comes back as it is.

        Raises:
            Unreadable: its key is not among ours, it was changed, or it belongs to another tenant or purpose.
        """
        if not text.startswith(_SEALED):
            return text.removeprefix(_PLAIN)
        record = _RECORD.fullmatch(text)
        if record is None:
            raise Unreadable("a stored value is cut or sealed by a newer version: update the bot, or delete the value")
        key_id, body = record.groups()
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Unreadable(
                f"a stored value is sealed with the key {key_id}, which ENCRYPTION_KEY does not hold: "
                "add that key after the first one"
            )
        return _opened(cipher, _bytes(body), _bound(tenant, purpose))


def keys(setting: str) -> tuple[bytes, ...]:
    """The keys of an ENCRYPTION_KEY: base64 or hex of 32 bytes each, with commas between; none where it is empty.

    Raises:
        ValueError: with a sentence for the operator, which does not repeat the value.
    """
    return tuple(_key(one.strip()) for one in setting.split(",")) if setting.strip() else ()


def new_key() -> str:
    """A new random key in base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _key(text: str) -> bytes:
    if not text:
        raise ValueError("ENCRYPTION_KEY has nothing before, between or after its commas; remove the comma.")
    if not re.fullmatch(r"[A-Za-z0-9+/_-]+={0,2}", text):
        raise ValueError(f"ENCRYPTION_KEY must be written in base64 or hex; {_HOW}.")
    key = _decoded(text)
    if len(key) != KEY_BYTES:
        raise ValueError(f"ENCRYPTION_KEY must be {KEY_BYTES} bytes, 44 characters of base64 or 64 of hex; {_HOW}.")
    if len(set(key)) < DISTINCT_MIN:
        raise ValueError(f"ENCRYPTION_KEY repeats itself, so it was not made at random; {_HOW}.")
    return key


def _decoded(text: str) -> bytes:
    # 64 hex digits are base64 as well, of 48 bytes, which no key has.
    if re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        return bytes.fromhex(text)
    try:
        return _base64(text.rstrip("="))
    except binascii.Error:
        return b""


def _ciphers(keys: Sequence[bytes]) -> "dict[str, AESGCM]":
    if not keys:
        return {}
    # Only here: loading it takes 8-19 ms (measured, 2026-11-23), which a bot without a key does not pay.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return {hashlib.sha256(key).hexdigest()[:8]: AESGCM(key) for key in keys}


def _opened(cipher: "AESGCM", record: bytes, bound: bytes) -> str:
    from cryptography.exceptions import InvalidTag

    try:
        content = cipher.decrypt(record[:NONCE_BYTES], record[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):  # ValueError: shorter than a nonce may be
        raise Unreadable(
            "a stored value does not open: it was changed, or moved from another workspace; delete it or restore it"
        ) from None
    return content.decode("utf-8", "surrogatepass")


def _bound(tenant: str, purpose: str) -> bytes:
    """What a record is bound to without holding it; JSON keeps the parts apart whatever they contain."""
    return json.dumps([purpose, tenant]).encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.translate(str.maketrans("+/", "-_")) + "=" * (-len(text) % 4))


def _bytes(body: str) -> bytes:
    """The bytes of a record; none where the text is not the one way to write them."""
    try:
        data = _base64(body)
    except binascii.Error:
        return b""
    return data if _base64url(data) == body else b""
