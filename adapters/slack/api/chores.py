"""Calls that must go through in the end although nobody waits for them: repeated, bounded, owned by a workspace.

For what may be repeated only: ending a stream, a session's status. It does not know what the calls do.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

from bot.errors import PlatformError, RateLimited, Unreachable

log = logging.getLogger(__name__)

Pause = Callable[[float], Awaitable[None]]

_FIRST_DELAY_S: Final = 0.25
_DELAY_MAX_S: Final = 8.0
_AT_ONCE_MAX: Final = 200  # chosen: ten times what Slack lets begin in a minute
_ENDS_MAX: Final = 2_000  # chosen: what Slack lets end in its hour; each is a task that sleeps
_END_WITHIN_S: Final = 2.0


async def insist(call: Callable[[], Awaitable[None]], *, within_s: float, pause: Pause = asyncio.sleep) -> None:
    """Repeat a call until it goes through, waiting as Slack asks or with back-off.

    Raises what Slack refuses for good, and the last RateLimited or Unreachable when the next try would begin later
    than `within_s` seconds from now.
    """
    began, waited_s, delay_s = time.monotonic(), 0.0, _FIRST_DELAY_S
    while True:
        try:
            return await call()
        except (RateLimited, Unreachable) as error:
            # Of many that wait for one budget only one gets what it is told to wait for.
            wait_s = max(delay_s, error.retry_after_s) if isinstance(error, RateLimited) else delay_s
            if max(waited_s, time.monotonic() - began) + wait_s > within_s:
                raise
        await pause(wait_s)
        waited_s += wait_s
        delay_s = min(_DELAY_MAX_S, delay_s * 2)


class Chores:
    """The calls on their way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[None, None, None], *, name: str, ends: bool = False) -> asyncio.Task[None] | None:
        """Do it in the background; gives its task, which never fails.

        Over 200 at once the newest is left out, and said so in the log; over 2,000 also what `ends` something, which
        would stand wrong without it.
        """
        if len(self._tasks) >= (_ENDS_MAX if ends else _AT_ONCE_MAX):
            work.close()
            log.warning("slack_chore_left_out", extra={"chore": name})
            return None
        task = asyncio.create_task(_walled(work, name), name=f"slack-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Give what is on its way a moment, then end it."""
        await end(self._tasks, within_s=_END_WITHIN_S)


async def end(tasks: Iterable[asyncio.Task[Any]], *, within_s: float) -> None:
    """Give tasks a moment, then cancel those that still run; `tasks` loses those that are done, and may get more.

    How they fail is for others to say.
    """
    if begun := list(tasks):
        await asyncio.wait(begun, timeout=within_s)
    left = list(tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _walled(work: Coroutine[None, None, None], name: str) -> None:
    try:
        await work
    except PlatformError as error:
        log.warning("slack_chore_failed", extra={"chore": name, "error": str(error)})
    except Exception as error:  # noqa: BLE001  the wall of what nobody awaits: it must not end in silence
        log.error("slack_chore_broken", extra={"chore": name, "error": type(error).__name__})
