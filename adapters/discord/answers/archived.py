"""Threads that were archived or locked while an answer was on its way.

Rules of the platform (developer docs, Threads and JSON Error Codes, read November 2026): a new message brings an
archived thread back by itself, an edit is refused (50083) until somebody unarchives it, which everybody may who may
write there. A locked one (160005) opens to those who may manage threads only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

from adapters.discord.answers.insisting import insist
from adapters.discord.answers.nonces import nonce
from adapters.discord.answers.places import MESSAGES
from adapters.discord.api.rest import Rest, code_of
from bot.errors import Forbidden, PlatformError, Rejected, StoreError
from bot.events import Mention
from bot.services import Services

log = logging.getLogger(__name__)

T = TypeVar("T")

CHANNEL: Final = "/channels/{channel_id}"

_ARCHIVED: Final = 50083
_LOCKED: Final = 160005
_SAID_FOR_S: Final = 86_400.0  # chosen: who locks a thread knows it; one line a day is enough for the others


class Archived:
    """Writes in threads, which may have to be opened first."""

    def __init__(
        self,
        rest: Rest,
        *,
        services: Callable[[], Services | None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rest = rest
        self._services = services
        self._pause = pause

    async def write(self, mention: Mention, call: Callable[[], Awaitable[T]]) -> T:
        """What the call gives, tried once more where its thread was archived.

        Raises PlatformError: Forbidden where the thread is locked, which then is said in its parent channel, once.
        """
        thread = mention.place.thread
        try:
            return await call()
        except (Rejected, Forbidden) as refused:
            if thread is None or code_of(refused) not in (_ARCHIVED, _LOCKED):
                raise
            if code_of(refused) == _ARCHIVED and await self._unarchived(thread):
                return await self._again(mention, thread, call)
            await self._say_locked(mention, thread)
            raise Forbidden("the thread is locked") from refused

    async def _again(self, mention: Mention, thread: str, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except (Rejected, Forbidden) as refused:
            if code_of(refused) == _LOCKED:
                await self._say_locked(mention, thread)
            raise

    async def _unarchived(self, thread: str) -> bool:
        try:
            await self._rest.change(CHANNEL, {"archived": False}, need="needed", channel_id=thread)
        except (Rejected, Forbidden):
            return False
        return True

    async def _say_locked(self, mention: Mention, thread: str) -> None:
        """One line in the parent channel, as far as that is possible."""
        if not await self._is_news(mention, thread):
            return
        line: dict[str, Any] = {
            "content": f"I cannot write in the locked thread <#{thread}>.",
            "allowed_mentions": {"parse": []},
            "nonce": nonce(f"{thread}/locked"),
            "enforce_nonce": True,
        }

        async def say() -> None:
            channel = cast(dict[str, Any], await self._rest.get(CHANNEL, channel_id=thread))
            if parent := str(channel.get("parent_id") or ""):
                await self._rest.create(MESSAGES, line, need="needed", channel_id=parent)
                log.info("locked_thread", extra={"event_id": mention.event_id})

        with suppress(PlatformError):
            await insist(say, pause=self._pause)

    async def _is_news(self, mention: Mention, thread: str) -> bool:
        services = self._services()
        if services is None:
            return True  # the nonce keeps it to one line for a few minutes
        try:
            name, tenant = f"locked:discord:{thread}", mention.place.workspace
            return await services.shared.add(name, "said", tenant=tenant, ttl_s=_SAID_FOR_S)
        except StoreError:
            return True
