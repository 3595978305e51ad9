"""Answers to interactions: the callback, the original response, follow-ups.

Not through discord.py, for three reasons (its http.py, 2.7.1): it logs a rate limit with the whole address, which here
holds the interaction's token; it repeats a POST after a 502, which may have been done; and it lets a callback, due
within 3 s and exempt from the global limit (developer docs, Rate Limits), wait behind it. No token leaves this file in
an error or a log line.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import aiohttp

from bot.errors import Ambiguous, Forbidden, Gone, PlatformError, RateLimited, Rejected, Unreachable

Json = dict[str, Any]

Given = Literal["given", "elsewhere", "late", "unheard"]
"""What became of a first response: it stands, somebody has responded before, it came too late for Discord, or Discord
did not say in time.
"""

ATTEMPT_MAX_S = 10.0
CALLBACK_PAUSE_S = 0.1

ALREADY_ACKNOWLEDGED = 40060
UNKNOWN_INTERACTION = 10062
ENDED = frozenset({10015, 50027})
"""Unknown Webhook, Invalid Webhook Token: 15 minutes are over, or nobody has responded yet."""


_REF = re.compile(r"(\d+):(.+):(\d+)", re.ASCII | re.DOTALL)


class Ended(Gone):
    """The interaction's token does not answer: it is too old, or the interaction was never acknowledged."""


class Refused(Rejected):
    """Discord took the request for invalid; `code` is its number."""

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)
        self.code = code


class Unknown(Gone):
    """Discord does not know what the address names; `code` says what."""

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Ref:
    """How an interaction is answered after its first response; `made` is when it came, in Unix seconds."""

    application: str
    token: str = field(repr=False)
    made: float = 0.0

    @property
    def reply_ref(self) -> str:
        """As a mention carries it; as secret as the token."""
        return f"{self.application}:{self.token}:{self.made:.0f}"


def ref(text: str) -> Ref | None:
    """What a `Mention.reply_ref` says; None where it says nothing of the kind."""
    found = _REF.fullmatch(text)
    return Ref(found[1], found[2], float(found[3])) if found else None


class Webhooks:
    """The part of the REST API that needs no bot token.

    `on_answer` takes status and scope of each answer: what is refused here counts towards the ban of the address, too.
    """

    def __init__(
        self,
        api_url: str,
        *,
        user_agent: str,
        on_answer: Callable[[int, str], None],
        attempt_max_s: float = ATTEMPT_MAX_S,
    ) -> None:
        self._api_url = api_url
        self._on_answer = on_answer
        self._user_agent = user_agent
        self._attempt_max_s = attempt_max_s
        self._session: aiohttp.ClientSession | None = None

    async def respond(self, interaction_id: str, token: str, body: Json, *, within_s: float) -> Given:
        """Give the first response. Raises PlatformError where that failed; within `within_s` it is tried again."""
        try:
            async with asyncio.timeout(within_s):
                return await self._respond(f"/interactions/{interaction_id}/{token}/callback", body)
        except TimeoutError:
            return "unheard"

    async def _respond(self, path: str, body: Json) -> Given:
        unclear = False
        while True:
            try:
                await self._call("POST", path, body, unclear=Ambiguous)
            except (Ambiguous, Unreachable) as error:
                unclear = unclear or isinstance(error, Ambiguous)
                await asyncio.sleep(CALLBACK_PAUSE_S)
            except RateLimited as error:
                await asyncio.sleep(error.retry_after_s)
            except (Unknown, Refused) as error:
                # Whoever has responded may well have been oneself, without an answer to that.
                return "given" if unclear and error.code == ALREADY_ACKNOWLEDGED else _too_late(error)
            else:
                return "given"

    async def edit(self, to: Ref, body: Json) -> str:
        """Make the original response read so, and give its id; repeating it does no harm. Raises PlatformError."""
        path = f"/webhooks/{to.application}/{to.token}/messages/@original"
        return _id(await self._call("PATCH", path, body, unclear=Unreachable), unclear=Unreachable)

    async def follow_up(self, to: Ref, body: Json) -> str:
        """Post one more message and give its id. Raises PlatformError; Ambiguous where it may stand."""
        path = f"/webhooks/{to.application}/{to.token}"
        return _id(await self._call("POST", path, body, unclear=Ambiguous), unclear=Ambiguous)

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _call(self, method: str, path: str, body: Json, *, unclear: type[PlatformError]) -> Mapping[str, Any]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._attempt_max_s)
            self._session = aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": self._user_agent})
        try:
            async with self._session.request(method, self._api_url + path, json=body) as response:
                self._on_answer(response.status, response.headers.get("X-RateLimit-Scope", ""))
                found = await _object(response)
        # `from None`: aiohttp's errors may hold the address.
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise Unreachable(f"{method}: no connection to Discord") from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unclear(f"{method}: the connection to Discord broke off ({type(error).__name__})") from None
        if response.ok and found is not None:
            return found
        if response.status == 429:
            raise RateLimited(f"Discord limits {method}", retry_after_s=_wait_s(found or {}, response.headers))
        raise _failure(method, response.status, found, unclear=unclear)


async def _object(response: aiohttp.ClientResponse) -> Mapping[str, Any] | None:
    """The body as an object; an empty one where there is no body, None where it is not Discord's, like a page."""
    try:
        found: object = await response.json(content_type=None)
    except ValueError:
        return None
    return cast(Mapping[str, Any], found) if isinstance(found, dict) else {}


def _failure(
    method: str, status: int, body: Mapping[str, Any] | None, *, unclear: type[PlatformError]
) -> PlatformError:
    if body is None and status < 400:
        return unclear(f"{method}: what answered was not Discord")
    if body is None and status in (401, 403, 404):
        return Unreachable(f"{method}: what answered {status} was not Discord")
    body = body or {}
    code = body.get("code")
    code = code if isinstance(code, int) else 0
    text = f"{method}: Discord answered {status}, code {code}"
    if code in ENDED:
        return Ended(text)
    if status in (401, 403):
        return Forbidden(text)
    if status == 404:
        return Unknown(text, code=code)
    return unclear(text) if status >= 500 else Refused(text, code=code)


def _wait_s(body: Mapping[str, Any], headers: Mapping[str, str]) -> float:
    """The edge, which stands before Discord, says it in a header alone; a minute where nobody does."""
    try:
        return float(body.get("retry_after") or headers["Retry-After"])
    except (KeyError, TypeError, ValueError):
        return 60.0


def _too_late(error: Unknown | Refused) -> Given:
    """What such a refusal of a first response means; raises it where it is another one."""
    if error.code == ALREADY_ACKNOWLEDGED:
        return "elsewhere"
    if error.code == UNKNOWN_INTERACTION:
        return "late"
    raise error


def _id(message: Mapping[str, Any], *, unclear: type[PlatformError]) -> str:
    if not message.get("id"):
        raise unclear("the answer names no message")
    return str(message["id"])
