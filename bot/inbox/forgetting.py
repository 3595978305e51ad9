"""Deletes what is stored for a conversation, a person or a workspace. It knows every kind of key, and no text.

Keys of one workspace hold its platform and name side by side, like `history:slack:T1:C1:17.3`; the exceptions are
links, which point to such a key, the list of given-up mentions, and the turns of platforms whose event ids do not
name it. What is not deleted expires (see `bot.store`).
"""

import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable
from itertools import pairwise
from typing import Any, cast

from redis.asyncio import Redis

from bot import store
from bot.inbox import scripts
from bot.inbox.letters import Letters

PAGE = 1000
"""Keys looked at in one step: about 0.3 ms of the server's one thread (measured)."""

ANEW_TTL_S = 30 * 24 * 3600
"""How long the bot does not read a thread again that it was told to forget. Chosen: few threads are taken up later."""

SPARED = frozenset({"lock", "call", "lane"})
"""Kinds that somebody may hold this very moment, and expire within minutes; and what has come into a lane since."""


class Forgetting:
    """Every method raises StoreError when Redis does not do its part; then it may be called again."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._forget = redis.register_script(scripts.FORGET)
        self._empty = redis.register_script(scripts.EMPTY)
        self._letters = Letters(redis)

    async def conversation(self, name: str) -> bool:
        """Delete what a conversation remembers, its given-up mentions too; whether there was anything.

        An answer that runs is finished and not remembered; what waits begins the conversation anew.
        """
        await self._bury(lambda conversation: conversation == name)
        return await self._begin_anew(name)

    async def talks(self, platform: str, workspace: str, author: str) -> list[str]:
        """The names of a person's direct conversations with the bot."""
        name = store.key("talks", store.person_name(platform, workspace, author))
        async with store.attempt("find a person's conversations"):
            return sorted(cast("set[str]", await self._members(name)))

    async def person(self, platform: str, workspace: str, author: str) -> int:
        """Delete a person's direct conversations with the bot; how many there were."""
        talks = await self.talks(platform, workspace, author)
        await self._bury(lambda conversation: conversation in talks)
        for conversation in talks:
            await self._begin_anew(conversation)
        await self._unlink([store.key("people", conversation) for conversation in talks])
        async with store.attempt("forget a person"):
            await self._redis.delete(store.key("talks", store.person_name(platform, workspace, author)))
        return len(talks)

    async def workspace(self, platform: str, workspace: str) -> bool:
        """Delete everything of a workspace; whether there was anything. Whoever works on a mention of it is refused."""
        begin = f"{platform}:{workspace}:"
        async with store.attempt("find the lanes of a workspace"):
            lanes = [one for one in await self._lanes() if one.startswith(begin)]
        turns = await self._turns(lanes)
        async with store.attempt("empty the lanes of a workspace"):
            await self._empty(keys=[store.PREFIX], args=lanes)
        await self._unlink(turns)
        pair = (platform, workspace)
        keys = [key async for key in self._keys(_pattern(*pair)) if _holds(key, pair)]
        await self._unlink(keys)
        links = [key async for key in self._keys(f"{store.key('link', _escaped(platform))}:*")]
        pointing = await self._pointing(links, begin)
        await self._unlink(pointing)
        buried = await self._bury(lambda conversation: conversation.startswith(begin))
        return bool(lanes or keys or pointing or buried)

    def _members(self, name: str) -> Any:
        return self._redis.smembers(name)

    async def _lanes(self) -> set[str]:
        ready = cast("list[str]", await self._redis.zrange(store.key("ready"), 0, -1))
        owned = cast("list[str]", await cast(Any, self._redis.hkeys(store.key("owner"))))
        return {*ready, *owned}

    async def _turns(self, lanes: Iterable[str]) -> list[str]:
        """The turns of what waits there: not every event id names its workspace."""
        found: list[str] = []
        for lane in lanes:
            async with store.attempt("read a lane"):
                entries = cast("list[str]", await self._redis.zrange(store.key("lane", lane), 0, -1))
            found += [store.key("turn", event_id) for one in entries if (event_id := _field(one, "event_id"))]
        return found

    async def _pointing(self, links: list[str], begin: str) -> list[str]:
        """Those of the links that lead to a conversation whose name begins so."""
        found: list[str] = []
        for at in range(0, len(links), PAGE):
            page = links[at : at + PAGE]
            async with store.attempt("read links"):
                targets = cast("list[str | None]", await self._redis.mget(page))
            found += [link for link, target in zip(page, targets, strict=True) if target and target.startswith(begin)]
        return found

    async def _begin_anew(self, name: str) -> bool:
        async with store.attempt("forget a conversation"):
            return bool(await self._forget(keys=[store.PREFIX], args=[name, store.TURN_TTL_S, ANEW_TTL_S]))

    async def _bury(self, which: Callable[[str], bool]) -> int:
        """Delete given-up mentions of some conversations; how many there were."""
        letters = [one for one in await self._letters.all() if which(one.conversation)]
        for letter in letters:
            await self._letters.drop(letter)
        return len(letters)

    async def _unlink(self, keys: list[str]) -> None:
        for at in range(0, len(keys), PAGE):
            async with store.attempt("delete keys"):
                await self._redis.unlink(*keys[at : at + PAGE])

    async def _keys(self, pattern: str) -> AsyncGenerator[str]:
        cursor = 0
        while True:
            async with store.attempt("list keys"):
                cursor, page = await self._redis.scan(cursor, match=pattern, count=PAGE)
            for key in cast("list[str]", page):
                yield key
            if not cursor:
                return


def _pattern(platform: str, workspace: str) -> str:
    return f"{store.PREFIX}*:{_escaped(platform)}:{_escaped(workspace)}*"


def _holds(key: str, pair: tuple[str, str]) -> bool:
    """Whether a key names a workspace: its platform and itself, side by side after the kind."""
    kind, *words = key.removeprefix(store.PREFIX).split(":")
    return kind not in SPARED and pair in pairwise(words)


def _escaped(text: str) -> str:
    """The text for a pattern of SCAN that means itself."""
    return re.sub(r"([*?\[\]^\\])", r"\\\1", text)


def _field(raw: str, name: str) -> str:
    try:
        value = json.loads(raw)[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""
