"""A create that is repeated while its outcome is unclear: safe because of its nonce, and while that surely holds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from adapters.discord.api.rest import TRIED_BY_THE_LIBRARY, status_of
from bot.errors import Ambiguous, PlatformError, RateLimited, Unreachable

Pause = Callable[[float], Awaitable[None]]

PAUSES_S: Final = (0.3, 1.0, 3.0)
"""Before the tries after the first. Chosen: a reset connection is back at once, a 503 within seconds."""

BEGUN_WITHIN_S: Final = 45.0
"""The last try begins no later than this after the first one. Chosen: with a wait in line (40 s) and for a rate limit
(30 s) it still reaches Discord while the first one's nonce is trusted (`NONCE_WINDOW_S`).
"""


async def insist(create: Callable[[], Awaitable[Any]], *, pause: Pause = asyncio.sleep) -> Any:
    """What `create` gives in the end; each try carries the same nonce.

    Raises PlatformError: Ambiguous where one of the tries may have gone through.
    """
    unclear: PlatformError | None = None
    loop = asyncio.get_running_loop()
    until = loop.time() + BEGUN_WITHIN_S
    for pause_s in (*PAUSES_S, None):
        try:
            return await create()
        except (Ambiguous, Unreachable) as error:
            unclear = error if isinstance(error, Ambiguous) else unclear or error
            if pause_s is None or loop.time() + pause_s > until or asked_s(error):
                break
            if status_of(error) in TRIED_BY_THE_LIBRARY:
                break
            await pause(pause_s)
        except PlatformError as error:
            if isinstance(unclear, Ambiguous) and error.retryable:
                unclear.retry_after_s = asked_s(error)
                raise unclear from error  # a wait says nothing about an earlier try that may have gone through
            raise
    raise unclear or Ambiguous("POST: no outcome")


def asked_s(error: PlatformError) -> float:
    """How long the platform asked to wait."""
    return error.retry_after_s if isinstance(error, RateLimited | Ambiguous) else 0.0
