"""An answer as a file under the answer, where it is too long for messages: a message of its own that carries it.

Removing the message removes the file. Rules (developer docs, Uploading Files, read November 2026): the file goes up
with the message, as multipart; 10 MiB is what every server takes; the nonce holds as for any message.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import PurePath
from typing import Any, Final, cast

from adapters.discord.answers.archived import Archived
from adapters.discord.answers.insisting import insist
from adapters.discord.answers.nonces import NONCE_WINDOW_S, nonce
from adapters.discord.answers.places import MESSAGE, MESSAGES, channel_of, own_after
from adapters.discord.api.rest import Attachment, Rest
from adapters.discord.payloads.fields import Payload
from bot.errors import Forbidden, Gone, Rejected
from bot.events import Mention

FILE_MAX_BYTES: Final = 10 * 1024 * 1024
_STEM_MAX: Final = 60


class Files:
    """The answers' files."""

    def __init__(
        self,
        rest: Rest,
        archived: Archived,
        *,
        own_id: Callable[[], str],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._rest = rest
        self._archived = archived
        self._own_id = own_id
        self._pause = pause
        self._now = now

    async def upload(self, mention: Mention, text: str, *, name: str, key: str, recover: bool) -> str:
        """Put a Markdown file under the answer once; gives the id of the message that carries it.

        Raises PlatformError: Forbidden for a private answer and without the permission to attach files, Rejected where
        it is too large, Ambiguous where it may stand.
        """
        if mention.private:
            raise Forbidden("a private answer has no file: the channel would see it")
        file = Attachment(file_name(name, key), text.encode("utf-8", "replace"), "text/markdown")
        if len(file.content) > FILE_MAX_BYTES:
            raise Rejected(f"a file of {len(file.content)} bytes is more than Discord takes")
        if recover and (found := await self._recovered(mention, file.name)):
            return found
        message: dict[str, Any] = {
            "attachments": [{"id": 0, "filename": file.name}],
            "allowed_mentions": {"parse": []},
            "nonce": nonce(key),
            "enforce_nonce": True,
        }

        async def create() -> Any:
            return await self._rest.upload(MESSAGES, message, file, channel_id=channel_of(mention))

        made = await self._archived.write(mention, lambda: insist(create, pause=self._pause))
        return str(cast(Payload, made)["id"])

    async def remove(self, mention: Mention, file_id: str) -> None:
        """Remove a file of the bot's, also one that is gone already. Raises PlatformError."""
        with suppress(Gone):
            await self._rest.remove(MESSAGE, channel_id=channel_of(mention), message_id=file_id)

    async def _recovered(self, mention: Mention, called: str) -> str | None:
        """The message an earlier try made, where the nonce alone may no longer tell."""
        if self._now() - mention.sent_at <= NONCE_WINDOW_S:
            return None
        for message in await own_after(self._rest, mention, own_id=self._own_id(), need="needed"):
            if any(one.get("filename") == called for one in message.get("attachments") or ()):
                return str(message["id"])
        return None


def file_name(name: str, key: str) -> str:
    """The name with a hash of the key before its ending: `answer-0123456789ab.md`."""
    path = PurePath(name)
    return f"{path.stem[:_STEM_MAX]}-{hashlib.sha256(key.encode()).hexdigest()[:12]}{path.suffix}"
