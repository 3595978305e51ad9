"""How the installations stand, for `doctor`: which of them Slack has ended, or will, and what each was not granted.

Every stored installation is tried with `auth.test`, which changes nothing. No token is renewed here: one that has ended
in a quiet workspace is renewed when the bot is used there next.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import aiohttp
from slack_sdk.oauth.installation_store import Installation

from adapters.slack.api.calls import Api, Unauthenticated, code_of
from adapters.slack.api.clients import Clients
from adapters.slack.api.renewing import EXPIRED
from adapters.slack.app.manifest import SCOPES, scopes
from adapters.slack.installs.installations import RENEWAL_REFUSED, Installations
from adapters.slack.installs.oauth import INSTALL_PATH
from adapters.slack.settings import SlackSettings
from bot.errors import PlatformError, Unreadable
from bot.platform import Finding
from bot.services import Shared

ASKED_MAX: Final = 200
"""Chosen: a doctor shall be done within seconds. Of more installations, the rest is counted."""

_AT_ONCE: Final = 10


async def check_installations(settings: SlackSettings, shared: Shared) -> list[Finding]:
    """One finding for each installation that is not in order, and one that counts them. Raises StoreError."""
    store = Installations(shared)
    stored = await store.stored()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
        asking = _Asking(settings, store, Clients(settings, session))
        each = await asyncio.gather(*(asking.findings(*key) for key in stored[:ASKED_MAX]))
    return [_counted(stored), *(finding for found in each for finding in found)]


class _Asking:
    def __init__(self, settings: SlackSettings, store: Installations, clients: Clients) -> None:
        self._settings = settings
        self._store = store
        self._clients = clients
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._again = f"Install the bot there again, at {settings.slack_public_url}{INSTALL_PATH}."

    async def findings(self, enterprise: str, team: str) -> list[Finding]:
        where = f"Workspace {team}" if team else f"Organisation {enterprise}"
        async with self._room:
            try:
                found = await self._store.exactly(enterprise, team)
            except Unreadable as error:
                return [Finding("fail", f"{where}: its tokens cannot be opened ({error}).")]
            return [] if found is None else await self._of(where, found)

    async def _of(self, where: str, found: Installation) -> list[Finding]:
        if RENEWAL_REFUSED in found.custom_values:
            return [Finding("fail", f"{where}: Slack does not renew its token, which {_end(found)}.", self._again)]
        try:
            answer = await Api(self._clients.of(found.bot_token or "")).write("auth.test")
        except Unauthenticated as error:
            if code_of(error) == EXPIRED and found.bot_refresh_token:
                return []
            return [Finding("fail", f"{where}: Slack has ended the installation ({code_of(error)}).", self._again)]
        except PlatformError as error:
            return [Finding("warn", f"{where}: Slack cannot be asked ({error}).")]
        granted = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")}
        wanted = scopes(agent=self._settings.slack_agent != "off")
        return [
            Finding("warn", f"{where}: the scope {scope} is missing. Off: {SCOPES[scope]}.", self._again)
            for scope in wanted
            if scope not in granted
        ]


def _counted(stored: Sequence[tuple[str, str]]) -> Finding:
    kinds = Counter("workspaces" if team else "organisations" for _, team in stored)
    what = f"Workspaces that have it installed: {kinds['workspaces']}; organisations: {kinds['organisations']}."
    if len(stored) <= ASKED_MAX:
        return Finding("ok", what)
    return Finding("ok", f"{what} The first {ASKED_MAX} were tried.")


def _end(found: Installation) -> str:
    ends = found.bot_token_expires_at
    if ends is None:
        return "has no end"
    return f"ends at {datetime.fromtimestamp(int(ends), UTC):%Y-%m-%d %H:%M} UTC"
