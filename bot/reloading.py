"""Takes up settings that changed while the bot runs: a mounted Secret was renewed, a file was edited.

Kubernetes renews the files of a Secret within about a minute (Secrets, read November 2026); the environment of a
process never changes. What cannot be changed in a running bot is named in the log, so that somebody restarts it.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from bot.errors import ConfigError
from bot.logs import crash
from bot.settings import Config

log = logging.getLogger(__name__)

EVERY_S: Final = 15.0
"""Between two looks (chosen): reading some small files takes a few milliseconds."""

Load = Callable[[], Config]
"""Reads all settings anew, with logging set up for them. Raises ConfigError where they are wrong."""

Use = Callable[[Config], frozenset[str]]
"""Takes up what it can, and gives the names of the settings that it looks at. Raises ConfigError."""


class Reloading:
    """Looks every `every_s` seconds, and at once when `now` is set (SIGHUP)."""

    def __init__(self, config: Config, load: Load, use: Use, *, every_s: float = EVERY_S) -> None:
        self._config = config
        self._load = load
        self._use = use
        self._every_s = every_s
        self._wrong = ""
        self.now = asyncio.Event()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self.now.wait()
            self.now.clear()
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 -- wall: what runs must not end by a look at a file
                log.error("settings_look_crashed", extra=crash(error))

    def look(self) -> None:
        """Take up what has changed. What is wrong is said once, and everything stays as it was."""
        try:
            found = self._load()
            if not (changed := _changed(self._config, found)):
                self._wrong = ""
                return
            taken = self._use(found)
        except ConfigError as error:
            if str(error) != self._wrong:
                self._wrong = str(error)
                log.error("settings_not_taken", extra={"error": self._wrong})
            return
        self._config, self._wrong = found, ""
        log.info("settings_taken", extra={"names": _names(changed & taken)})
        if late := changed - taken:
            log.warning("settings_need_restart", extra={"names": _names(late)})


def _changed(old: Config, new: Config) -> frozenset[str]:
    """The names of the settings whose values differ."""
    pairs = [(old.core, new.core), *((part, new.adapters[kind]) for kind, part in old.adapters.items())]
    return frozenset(
        name
        for before, after in pairs
        for name in type(before).model_fields
        if getattr(before, name) != getattr(after, name)
    )


def _names(names: frozenset[str]) -> list[str]:
    return sorted(name.upper() for name in names)
