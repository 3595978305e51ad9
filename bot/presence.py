"""What processes say of themselves in Redis, so that one command, run in any of them, shows all.

A process that has died is silent, and its word lapses. Nothing depends on it: it is for people to look at.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from bot.errors import StoreError, Unreadable
from bot.events import load
from bot.services import Shared

log = logging.getLogger(__name__)

EVERY_S: Final = 10.0
UNWELL_EVERY_S: Final = 1.0  # what keeps it from its work may end any moment, like its own start
KEPT_S: Final = 35.0
"""Chosen: three times its pace, so that one answer of Redis that comes late makes nobody disappear."""

_NAME: Final = "process"


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `name` is its host (a pod's name) and number; `since` is in Unix seconds.

    `obstacles` keep it from its work, a sentence each; `platforms` says for each whether what it sends arrives; `notes`
    are what else there is to know.
    """

    name: str
    role: str
    version: str
    since: float
    running: int
    slots: int
    platforms: Mapping[str, bool]
    obstacles: tuple[str, ...]
    notes: tuple[str, ...] = ()  # absent in what a process of an older version says


def own_name() -> str:
    """The name of this process among all that share a Redis."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Presence:
    """Says and reads them. `tell` gives how this process stands."""

    def __init__(
        self, shared: Shared, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep, every_s: float = EVERY_S
    ) -> None:
        self._shared = shared
        self._pause = pause
        self._every_s = every_s

    async def run(self, tell: Callable[[], Awaitable[Process]]) -> None:
        """Say it again and again, until cancelled; then take it back."""
        name, outage = "", False
        try:
            while True:
                said = await tell()
                name = f"{_NAME}:{said.name}"
                try:
                    await self._shared.put(name, json.dumps(asdict(said)), tenant="", ttl_s=KEPT_S)
                    outage = False
                except StoreError as error:
                    log.log(logging.DEBUG if outage else logging.INFO, "presence_not_said", extra={"error": str(error)})
                    outage = True
                await self._pause(UNWELL_EVERY_S if said.obstacles else self._every_s)
        finally:
            if name:
                try:
                    await self._shared.drop(name)
                except StoreError as error:
                    log.info("presence_not_taken_back", extra={"error": str(error)})

    async def all(self) -> tuple[list[Process], int]:
        """All that have said something lately, by name; and of how many that is sealed with a key that is not here.

        Raises StoreError.
        """
        found: list[Process] = []
        sealed = 0
        for name in await self._shared.names(f"{_NAME}:"):
            try:
                said = await self._shared.get(name, tenant="")
            except Unreadable:
                sealed += 1
                continue
            if said and (one := _process(said)):
                found.append(one)
        return sorted(found, key=lambda one: one.name), sealed


def _process(said: str) -> Process | None:
    """None for what another version wrote."""
    try:
        return load(Process, said)
    except ValueError:
        return None
