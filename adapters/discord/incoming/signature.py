"""Whether Discord signed a request: Ed25519 over its timestamp and its body, as they came.

Discord also sends wrong signatures on purpose and removes an address that answers them with anything but 401
(developer docs, Interactions Overview, read November 2026). It names no age; ours keeps an old request from being
sent again.
"""

import re
from typing import Final

AGE_MAX_S: Final = 300.0
"""Chosen, as Slack asks for; a clock that is wrong by more breaks much else."""

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE: Final = re.compile(r"[0-9a-fA-F]{128}", re.ASCII)


class Verifier:
    """Knows one application's public key."""

    def __init__(self, public_key: str) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # only where it is needed

        self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))

    def verified(self, body: bytes, *, timestamp: str, signature: str, now: float) -> bool:
        """Whether these bytes were signed with that timestamp, not long before `now` (Unix seconds)."""
        from cryptography.exceptions import InvalidSignature

        if not (_TIMESTAMP.fullmatch(timestamp) and _SIGNATURE.fullmatch(signature)):
            return False
        if abs(now - int(timestamp)) > AGE_MAX_S:
            return False
        try:
            self._key.verify(bytes.fromhex(signature), timestamp.encode() + body)
        except InvalidSignature:
            return False
        return True
