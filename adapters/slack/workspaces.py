"""Which workspaces the bot is installed in, and the one that an event or an answer belongs to."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Api, Unauthenticated
from adapters.slack.posting import Pause
from adapters.slack.workspace import Workspace, identity
from bot.errors import ConfigError, Unreachable

ClientOf = Callable[[str], AsyncWebClient]
"""The SDK's client for a token."""


class Workspaces(Protocol):
    """The installations of the app."""

    async def open(self) -> None:
        """Learn what must be known before the first event. Raises ConfigError and Unreachable."""
        ...

    async def of(self, team: str, *, enterprise: str = "") -> Workspace:
        """The workspace with this id. Raises Forbidden where the app is not installed, Unreachable when unknown now."""
        ...

    def known(self, team: str) -> Workspace | None:
        """The same from memory alone."""
        ...

    async def aclose(self) -> None:
        """End what runs for all of them."""
        ...


class OneWorkspace:
    """The app's own workspace, with the token from the settings: whatever arrives belongs to it."""

    def __init__(self, token: str, client_of: ClientOf, *, pause: Pause = asyncio.sleep) -> None:
        self._token = token
        self._client_of = client_of
        self._pause = pause
        self._workspace: Workspace | None = None

    async def open(self) -> None:
        """Learn who the bot is. Raises ConfigError when Slack refuses the token, Unreachable otherwise."""
        client = self._client_of(self._token)
        try:
            answer = await Api(client).write("auth.test")
        except Unauthenticated as error:
            raise ConfigError(f"Slack refuses SLACK_BOT_TOKEN ({error}): reinstall the app and copy it.") from error
        me = identity(answer)
        if not (me.team_id and me.user_id and me.bot_id):
            # Without them own messages look like other people's: the bot would answer itself.
            raise Unreachable("auth.test: the answer does not say who the bot is")
        self._workspace = Workspace(client, me, pause=self._pause)

    async def of(self, team: str, *, enterprise: str = "") -> Workspace:
        """The one workspace."""
        if self._workspace is None:
            raise Unreachable("Slack is not open")
        return self._workspace

    def known(self, team: str) -> Workspace | None:
        """The one workspace, once it is open."""
        return self._workspace

    async def aclose(self) -> None:
        """End what runs for the workspace."""
        if self._workspace:
            await self._workspace.aclose()
