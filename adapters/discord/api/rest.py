"""Calls to Discord's REST API, with every failure turned into one of the bot's own errors.

Texts of errors hold the method, the status and Discord's number only: never a path, a token or a message.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import discord

from adapters.discord.api.client import Client
from bot.errors import Ambiguous, Forbidden, Gone, PlatformError, RateLimited, Rejected, Unreachable

CALL_MAX_S = 45.0
"""Longest call including waits for rate limits (<= 30 s) and discord.py's own tries after a 5xx (<= 25 s)."""

TRIED_BY_THE_LIBRARY = frozenset({500, 502, 504, 524})
"""discord.py has repeated these five times before it raises (http.py, 2.7.1)."""


class Rest:
    """The REST API as one client sees it."""

    def __init__(self, client: Client, *, call_max_s: float = CALL_MAX_S) -> None:
        self._client = client
        self._call_max_s = call_max_s

    async def get(self, path: str, *, params: dict[str, str] | None = None, **ids: str) -> Any:
        """What is at `path`. Raises PlatformError."""
        return await self._call("GET", path, ids, {"params": params or {}})

    async def create(self, path: str, json: dict[str, Any], **ids: str) -> Any:
        """Make something new. Raises PlatformError; Ambiguous where it may exist now."""
        return await self._call("POST", path, ids, {"json": json}, unclear=Ambiguous)

    async def change(self, path: str, json: dict[str, Any], **ids: str) -> Any:
        """Change what is at `path`; repeating it does no harm. Raises PlatformError."""
        return await self._call("PATCH", path, ids, {"json": json})

    async def replace(self, path: str, json: Sequence[Mapping[str, Any]], **ids: str) -> Any:
        """Put a list in the place of the one at `path`; repeating it does no harm. Raises PlatformError."""
        return await self._call("PUT", path, ids, {"json": list(json)})

    async def remove(self, path: str, **ids: str) -> None:
        """Delete what is at `path`. Raises PlatformError; Gone where it is not there."""
        await self._call("DELETE", path, ids, {})

    async def signal(self, path: str, **ids: str) -> None:
        """A POST that leaves nothing behind. Raises PlatformError."""
        await self._call("POST", path, ids, {})

    async def _call(
        self,
        method: str,
        path: str,
        ids: dict[str, str],
        options: dict[str, Any],
        *,
        unclear: type[PlatformError] = Unreachable,
    ) -> Any:
        try:
            async with asyncio.timeout(self._call_max_s):
                return await self._client.request(method, path, ids, options)
        except Exception as error:  # the adapter's edge: whatever the SDK raises becomes ours
            raise ours(error, method=method, unclear=unclear) from error


def ours(error: Exception, *, method: str, unclear: type[PlatformError] = Unreachable) -> PlatformError:
    """The bot's error for one of discord.py's or aiohttp's. `unclear` stands for 'it may have been done'."""
    if isinstance(error, discord.RateLimited):
        return RateLimited(f"Discord limits {method}", retry_after_s=error.retry_after)
    if isinstance(error, discord.HTTPException):
        return _refused(error, method=method, unclear=unclear)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Unreachable(f"{method}: no connection to Discord")
    if isinstance(error, RuntimeError):  # aiohttp's "Session is closed"
        return Unreachable(f"{method}: the connection to Discord is closed")
    return unclear(f"{method}: the connection to Discord broke off ({type(error).__name__})")


def _refused(error: discord.HTTPException, *, method: str, unclear: type[PlatformError]) -> PlatformError:
    text = f"{method}: Discord answered {error.status}, code {error.code}"
    if error.status == 429:
        return RateLimited(text, retry_after_s=_retry_after_s(error))
    if error.status in (401, 403):
        return Forbidden(text)
    if error.status == 404:
        return Gone(text)
    return unclear(text) if error.status >= 500 else Rejected(text)


def _retry_after_s(error: discord.HTTPException) -> float:
    """A 429 without `Via` comes from Cloudflare, often without a number: a minute, not to be banned for longer."""
    try:
        return float(error.response.headers["Retry-After"])
    except (KeyError, ValueError):
        return 60.0
