"""Calls to Discord's REST API, with every failure turned into one of the bot's own errors.

Texts of errors hold the method, the status and Discord's number only: never a path, a token or a message.
"""

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from json import dumps
from typing import Any, cast

import aiohttp
import discord

from adapters.discord.api.client import Client
from adapters.discord.api.lines import Lines, Need
from adapters.discord.api.refusals import Refusals
from bot.errors import Ambiguous, Forbidden, Gone, PlatformError, RateLimited, Rejected, Unreachable

CALL_MAX_S = 45.0
"""Longest call including waits for rate limits (<= 30 s) and discord.py's own tries after a 5xx (<= 25 s)."""

TRIED_BY_THE_LIBRARY = frozenset({500, 502, 504, 524})
"""discord.py has repeated these five times before it raises (http.py, 2.7.1)."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file on its way up."""

    name: str
    content: bytes
    mime: str


AUTOMOD = frozenset({200000, 200001})
"""Blocked by the server's automatic moderation: a message, a title."""

NO_PERMISSION = frozenset({50001, 50013})
"""Missing access, missing permissions: the same call would be refused again."""


OPENED_TOO_FAST = 40003
"""Too many direct channels were opened lately (JSON Error Codes; the status is 400 and no wait is named)."""


class Moderated(Rejected):
    """The server's AutoMod does not let the text through."""

    notice = "Sorry, the AutoMod of this server blocked my answer."


class Rest:
    """The REST API as one client sees it: one call at a time in each bucket, none that is known to be refused.

    `need` says how much depends on a call, see `lines`.
    """

    def __init__(
        self,
        client: Client,
        *,
        call_max_s: float = CALL_MAX_S,
        lines: Lines | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._client = client
        self._call_max_s = call_max_s
        self._lines = lines or Lines(client.second)
        self._refusals = refusals or Refusals()
        client.on_answer = self.heard

    @property
    def token_refused(self) -> bool:
        """Whether Discord refuses the bot's token: nothing works until there is a new one."""
        return self._refusals.token_refused

    def use_token(self, token: str) -> None:
        """Go on with another token of the bot's."""
        self._client.use_token(token)
        self._refusals.token_renewed()

    @property
    def refused_calls(self) -> Mapping[int, int]:
        """See `Refusals.by_status`."""
        return self._refusals.by_status

    @property
    def limited_calls(self) -> int:
        """Answers with 429 since the start, of every scope."""
        return self._refusals.limited

    def heard(self, status: int, scope: str) -> None:
        """See `Refusals.heard`."""
        self._refusals.heard(status, scope)

    async def get(self, path: str, *, params: dict[str, str] | None = None, need: Need = "usual", **ids: str) -> Any:
        """What is at `path`. Raises PlatformError."""
        return await self._call("GET", path, ids, {"params": params or {}}, need=need)

    async def create(self, path: str, json: dict[str, Any], *, need: Need = "usual", **ids: str) -> Any:
        """Make something new. Raises PlatformError; Ambiguous where it may exist now."""
        return _made(await self._call("POST", path, ids, {"json": json}, need=need, unclear=Ambiguous))

    async def upload(self, path: str, json: dict[str, Any], file: Attachment, **ids: str) -> Any:
        """Make something new that carries a file. Raises PlatformError; Ambiguous where it may exist now."""
        up = discord.File(BytesIO(file.content), filename=file.name)  # rewound by discord.py for each of its tries
        form = [
            {"name": "payload_json", "value": dumps(json), "content_type": "application/json"},
            {"name": "files[0]", "value": up.fp, "filename": file.name, "content_type": file.mime},
        ]
        options = {"form": form, "files": [up]}
        try:
            return _made(await self._call("POST", path, ids, options, need="needed", unclear=Ambiguous))
        finally:
            up.close()

    async def change(
        self, path: str, json: dict[str, Any], *, need: Need = "usual", within_s: float | None = None, **ids: str
    ) -> Any:
        """Change what is at `path`, in `within_s` seconds; repeating it does no harm. Raises PlatformError."""
        return await self._call("PATCH", path, ids, {"json": json}, need=need, within_s=within_s)

    async def replace(self, path: str, json: Sequence[Mapping[str, Any]], **ids: str) -> Any:
        """Put a list in the place of the one at `path`; repeating it does no harm. Raises PlatformError."""
        return await self._call("PUT", path, ids, {"json": list(json)}, need="usual")

    async def remove(self, path: str, **ids: str) -> None:
        """Delete what is at `path`. Raises PlatformError; Gone where it is not there."""
        await self._call("DELETE", path, ids, {}, need="needed", silent=True)

    async def signal(self, path: str, *, need: Need = "usual", **ids: str) -> None:
        """A POST that leaves nothing behind. Raises PlatformError."""
        await self._call("POST", path, ids, {}, need=need, silent=True)

    async def _call(
        self,
        method: str,
        path: str,
        ids: dict[str, str],
        options: dict[str, Any],
        *,
        need: Need,
        within_s: float | None = None,
        unclear: type[PlatformError] = Unreachable,
        silent: bool = False,
    ) -> Any:
        """`silent` says that Discord answers with nothing; else it does so with JSON."""
        place = ids.get("channel_id") or ids.get("guild_id") or ""
        bucket, kind = (method, path, place), (method, path, place, "form" in options)
        async with self._lines.turn(bucket, need):
            # Not before: whoever went first may just have been refused.
            self._refusals.check(kind, need, in_channel="channel_id" in ids)
            statuses: list[int] = []
            renewal = self._client.renewal
            try:
                async with asyncio.timeout(within_s or self._call_max_s):
                    answer = await self._client.request(method, path, ids, options, statuses=statuses)
            except Exception as error:  # the adapter's edge: whatever the SDK raises becomes ours
                self._remember(error, kind, of_now=not renewal.is_set())
                failure = ours(error, method=method, unclear=unclear)
                doubtful = unclear is Ambiguous and any(status >= 500 for status in statuses)
                raise (_unclear(failure) if doubtful else failure) from error
        if isinstance(answer, str) and (answer or not silent):  # what discord.py makes of all that is no JSON
            raise unclear(f"{method}: what answered was not Discord")
        self._refusals.granted(kind)
        return answer

    def _remember(self, error: Exception, kind: Hashable, *, of_now: bool) -> None:
        """`of_now` says that the call was made with the token of now: another's refusal says nothing about this one."""
        if not isinstance(error, discord.HTTPException) or _is_a_page(error):
            return
        if error.status == 401:
            if of_now:
                self._refusals.token_was_refused()
        elif error.status == 403 and error.code in NO_PERMISSION:
            self._refusals.forbidden(kind)
        elif error.status in (400, 404):  # it looked at what was asked for
            self._refusals.granted(kind)


def _unclear(failure: PlatformError) -> PlatformError:
    """The failure of a POST that discord.py has repeated by itself after a 5xx: that one may have been done."""
    if not isinstance(failure, RateLimited | Unreachable):
        return failure
    asked_s = failure.retry_after_s if isinstance(failure, RateLimited) else 0.0
    return Ambiguous(f"{failure}, after a try that may have been done", retry_after_s=asked_s)


def _made(answer: Any) -> Any:
    if isinstance(answer, dict) and "id" in answer:
        return cast(dict[str, Any], answer)
    raise Ambiguous("POST: the answer names nothing that was made")


def code_of(error: PlatformError) -> int | None:
    """Discord's number for a failure (JSON Error Codes); None where it is none of Discord's."""
    cause = error.__cause__
    return cause.code if isinstance(cause, discord.HTTPException) else None


def status_of(error: PlatformError) -> int | None:
    """The HTTP status of a failure; None where there was no answer."""
    cause = error.__cause__
    return cause.status if isinstance(cause, discord.HTTPException) else None


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
    if error.status == 429 or error.code == OPENED_TOO_FAST:
        return RateLimited(text, retry_after_s=_retry_after_s(error))
    if error.code in AUTOMOD:
        return Moderated(text)
    if error.status == 401 or _is_a_page(error):
        return Unreachable(text)  # the mention can wait for a good token, or the way to Discord
    if error.status == 403:
        return Forbidden(text)
    if error.status == 404:
        return Gone(text)
    return unclear(text) if error.status >= 500 else Rejected(text)


def _is_a_page(error: discord.HTTPException) -> bool:
    """Whether somebody on the way to Discord refuses: that says nothing about the token, the place or the message."""
    return error.status in (401, 403, 404) and error.response.headers.get("Content-Type") != "application/json"


def _retry_after_s(error: discord.HTTPException) -> float:
    """A minute where no number is told, as often by Cloudflare: not to be banned for longer."""
    try:
        return float(error.response.headers["Retry-After"])
    except (KeyError, ValueError):
        return 60.0
