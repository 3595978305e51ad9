"""Which workspaces the bot is installed in, and the one that an event or an answer belongs to."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.api.calls import Api, Unauthenticated
from adapters.slack.api.chores import Pause
from adapters.slack.payloads.fields import Json
from adapters.slack.workspace import Options, Workspace, identity
from bot.errors import ConfigError, Forbidden, Unreachable

ClientOf = Callable[[str], AsyncWebClient]
"""The SDK's client for a token."""


class NotInstalled(Forbidden):
    """The app is not installed in that workspace (any more): what comes from there is acknowledged and dropped."""


class Workspaces(Protocol):
    """The installations of the app."""

    async def open(self) -> None:
        """Learn what must be known before the first event. Raises ConfigError and Unreachable."""
        ...

    async def of(self, team: str, *, enterprise: str = "") -> Workspace:
        """The workspace with this id; `enterprise` is its organisation, "" where nobody said.

        Raises NotInstalled, and Unreachable where that cannot be known now.
        """
        ...

    def known(self, team: str) -> Workspace | None:
        """The same from memory alone."""
        ...

    async def removed(self, team: str, *, enterprise: str, payload: Json) -> None:
        """Take an event app_uninstalled or tokens_revoked; `payload` is all of it.

        Raises PlatformError and StoreError where not everything is deleted yet: Slack must send the event again.
        """
        ...

    async def aclose(self) -> None:
        """End what runs for all of them."""
        ...


class OneWorkspace:
    """The app's own workspace, with the token from the settings: whatever arrives belongs to it."""

    def __init__(
        self, token: str, client_of: ClientOf, *, pause: Pause = asyncio.sleep, options: Options | None = None
    ) -> None:
        self._client = client_of(token)
        self._pause = pause
        self._options = options
        self._workspace: Workspace | None = None

    async def open(self) -> None:
        """Learn who the bot is. Raises ConfigError when Slack refuses the token, Unreachable otherwise."""
        try:
            answer = await Api(self._client).write("auth.test")
        except Unauthenticated as error:
            raise ConfigError(f"Slack refuses SLACK_BOT_TOKEN ({error}): reinstall the app and copy it.") from error
        me = identity(answer)
        if not (me.team_id and me.user_id and me.bot_id):
            # Without them own messages look like other people's: the bot would answer itself.
            raise Unreachable("auth.test: the answer does not say who the bot is")
        self._workspace = Workspace(self._client, me, pause=self._pause, options=self._options)

    def use(self, token: str) -> None:
        """Make calls with this token from now on."""
        self._client.token = token

    async def of(self, team: str, *, enterprise: str = "") -> Workspace:
        """The one workspace."""
        if self._workspace is None:
            raise Unreachable("Slack is not open")
        return self._workspace

    def known(self, team: str) -> Workspace | None:
        """The one workspace, once it is open."""
        return self._workspace

    async def removed(self, team: str, *, enterprise: str, payload: Json) -> None:
        """Nothing: the token is the operator's setting, and so is the end of it."""

    async def aclose(self) -> None:
        """End what runs for the workspace."""
        if self._workspace:
            await self._workspace.aclose()
