"""How a message of an answer carries its key: as metadata that only the bot can read a meaning into. Pure.

Metadata is readable by other apps and a file's name by everybody: the key goes there as a hash.
"""

import hashlib
from typing import Any, Final, cast

from adapters.slack.payloads.parse import Identity

Json = dict[str, Any]

EVENT_TYPE: Final = "routernesia_reply"
_SHORT: Final = 12  # 48 bits, compared within one thread only


def hashed(key: str) -> str:
    """The key as other apps may see it."""
    return hashlib.sha256(key.encode()).hexdigest()


def short(key: str) -> str:
    """The same for people's eyes."""
    return hashed(key)[:_SHORT]


def metadata(key: str) -> Json:
    """What a message with this key carries."""
    return {"event_type": EVENT_TYPE, "event_payload": {"key": hashed(key)}}


def carried(raw: Json) -> str:
    """The hash in a stored message; "" where it carries none of ours."""
    found = raw.get("metadata")
    about = cast(Json, found) if isinstance(found, dict) else {}
    payload = about.get("event_payload")
    if about.get("event_type") != EVENT_TYPE or not isinstance(payload, dict):
        return ""
    return str(cast(Json, payload).get("key") or "")


def own(raw: Json, me: Identity) -> bool:
    """Whether the bot wrote a stored message: any app may write such metadata."""
    return raw.get("user") == me.user_id or raw.get("bot_id") == me.bot_id
