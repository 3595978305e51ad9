"""What a post is known by: a nonce made of its key. Pure.

Rule of the platform (developer docs, Create Message, read November 2026): with `enforce_nonce` a second create by
the same author with the same nonce within "the past few minutes" gives the earlier message instead of a new one.
"""

import base64
import hashlib
from typing import Final

NONCE_LENGTH: Final = 25

NONCE_WINDOW_S: Final = 120.0
"""How long a nonce is trusted. Discord says "a few minutes"; two are surely inside."""


def nonce(key: str) -> str:
    """25 characters (Discord's limit) that always are the same for the same key."""
    return base64.b32encode(hashlib.sha256(key.encode()).digest()).decode().lower()[:NONCE_LENGTH]
