"""The platforms of one process, opened and listened to, each behind a wall of its own: one's outage stops no other."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from bot.errors import ConfigError, PlatformError
from bot.logs import crash
from bot.platform import Platform, Renews, Submit

log = logging.getLogger(__name__)

RECONNECT_CAP_S: Final = 30.0

STEADY_S: Final = 60.0
"""A connection that lasted so long was a good one: the next failure begins at the first delay."""

OPEN_WITHIN_S: Final = 3.0
"""So long the worker waits at the start for every platform to be there: a mention that finds its platform missing
is put back with a back-off. Chosen: a login takes well under a second; one platform's outage must not stop the others.
"""


class Listening:
    """Opens `platforms` and, where the process `listens`, hands over what they send to what `submit` gives for each.

    `opened` has those that are there, by name, and grows; `refused` says why one is not, until it has others.
    """

    def __init__(self, platforms: Sequence[Platform], *, submit: Callable[[Platform], Submit], listens: bool) -> None:
        self.platforms = platforms
        self.listens = listens
        self.opened: dict[str, Platform] = {}
        self.refused: dict[str, str] = {}
        self._submit = submit
        self._untried = {platform.name for platform in platforms}
        self._all_tried = asyncio.Event()
        self._renewals = dict.fromkeys(self._untried, 0)
        self._news = asyncio.Event()

    @property
    def all_refused(self) -> bool:
        """Whether no platform took its tokens, so that nothing is left to run."""
        return len(self.refused) == len(self.platforms)

    def connected(self) -> Mapping[str, bool]:
        """Whether what each platform sends arrives here."""
        return {one.name: one.name in self.opened and one.connected for one in self.platforms}

    async def tried(self) -> None:
        """Wait until each has been opened or could not be, for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_WITHIN_S):
                await self._all_tried.wait()

    def renew(self, settings: object) -> frozenset[str]:
        """Give renewed settings to the platform whose they are; the names of those that took effect."""
        taken: frozenset[str] = frozenset()
        for one in self.platforms:
            if isinstance(one, Renews):
                taken |= one.renew(settings)
                self._renewals[one.name] += 1
        self._tell()
        return taken

    def start(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """A task for each platform; it ends where that has nothing more to say, and all end where each one refuses."""
        return [tasks.create_task(self._listen(one), name=f"listen-{one.name}") for one in self.platforms]

    async def _listen(self, platform: Platform) -> None:
        """One platform's wall: what goes wrong there stays there."""
        failures = 0
        while True:
            began, renewals = time.monotonic(), self._renewals[platform.name]
            try:
                await self._open_and_listen(platform)
                return
            except ConfigError as error:
                # What was renewed meanwhile is tried at once: it may be the token of before that was refused.
                if not await self._renewed(platform, str(error), since=renewals):
                    return
                log.info("platform_tried_again", extra={"platform": platform.name})
                failures = 0
                continue
            except PlatformError as error:
                log.warning("platform_unreachable", extra={"platform": platform.name, "error": str(error)})
            except Exception as error:  # noqa: BLE001 - the wall
                log.error("platform_crashed", extra={"platform": platform.name, **crash(error)})
            failures = 1 if time.monotonic() - began > STEADY_S else failures + 1
            await asyncio.sleep(min(RECONNECT_CAP_S, 0.5 * 2 ** min(failures, 6)))

    async def _renewed(self, platform: Platform, error: str, *, since: int) -> bool:
        """Wait for other settings of a platform that refuses these; False once there is no other to go on with."""
        if self._renewals[platform.name] == since:
            self.refused[platform.name] = error
            log.error("platform_refused", extra={"platform": platform.name, "error": error})
            self._tell()
        while not self.all_refused:  # looked at first: all end together, or those that have ended would stay away
            if self._renewals[platform.name] != since:
                self.refused.pop(platform.name, None)
                return True
            await self._news.wait()
        return False

    def _tell(self) -> None:
        """Wake those that wait for what others do."""
        self._news.set()
        self._news = asyncio.Event()

    async def _open_and_listen(self, platform: Platform) -> None:
        if platform.name not in self.opened:
            await self._open(platform)
        if not self.listens:
            await asyncio.Event().wait()
        await platform.listen(self._submit(platform))

    async def _open(self, platform: Platform) -> None:
        try:
            await platform.open()
            self.opened[platform.name] = platform
            log.info("platform_open", extra={"platform": platform.name})
        finally:
            self._untried.discard(platform.name)
            if not self._untried:
                self._all_tried.set()
