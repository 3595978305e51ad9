"""The workspaces that installed the app by OAuth: which token answers where.

A workspace's token is chosen by the team that an event or a mention names, never by what was used before. What is
known is kept in memory and compared with the stored installation twice a minute, so an event costs no call of
`auth.test` and no look into Redis. A token that Slack refuses is looked up again at once (see `renewing`).

With an installation for a whole organisation every workspace in it has its own `Workspace` here and the organisation's
token; `auth.test` would name the organisation as its team there, so the team is always the event's.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from slack_sdk.oauth.installation_store import Installation

from adapters.slack.api.chores import Pause
from adapters.slack.api.renewing import EXPIRED, Renew, RenewingClient
from adapters.slack.installs.installations import Installations, of
from adapters.slack.installs.removal import Removal
from adapters.slack.installs.rotation import URGENT_BEFORE_S, Rotation
from adapters.slack.payloads.fields import Json
from adapters.slack.payloads.parse import Identity
from adapters.slack.workspace import Options, Workspace
from adapters.slack.workspaces import ClientOf, NotInstalled
from bot.errors import Forbidden, StoreError, Unreachable
from bot.services import Services

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 30.0
"""Chosen: so long a process may go on with an installation that another has replaced, where Slack still takes it."""

_REMOVED: Final = frozenset({"account_inactive", "app_uninstalled", "token_revoked"})
_LOOK_AGAIN_S: Final = 5.0  # after Redis did not answer
_KEPT_MAX: Final = 1_000  # chosen: a workspace takes some 20 kB
_IDLE_S: Final = 600.0  # one that was used within this time stays, over that number or not


class ClientFor(Protocol):
    """Makes the SDK's client for a token that may be replaced."""

    def __call__(self, token: str, *, renew: Renew) -> RenewingClient:
        """The client; `renew` is asked where Slack refuses its token."""
        ...


@dataclass(slots=True)
class _Kept:
    """A workspace in memory, and which installation it was made for."""

    workspace: Workspace
    client: RenewingClient
    made_for: tuple[object, ...]
    key: tuple[str, str]
    used_at: float
    look_at: float = field(default=0.0)


class InstalledWorkspaces:
    """All installations of the app. `clock` is monotonic."""

    def __init__(
        self,
        services: Services,
        store: Installations,
        *,
        rotation: Rotation,
        client_of: ClientOf,
        client_for: ClientFor,
        pause: Pause = asyncio.sleep,
        options: Options | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rotation = rotation
        self._client_for = client_for
        self._pause = pause
        self._options = options
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # by team; the longest unused first
        self._closing: set[asyncio.Task[None]] = set()
        self._removal = Removal(store, services, client_of, rotation=rotation, dropped=self.forget)

    async def open(self) -> None:
        """Nothing: who the bot is differs, and is stored with each installation."""

    async def of(self, team: str, *, enterprise: str = "") -> Workspace:
        """The workspace with this id. Raises NotInstalled, and Unreachable where Redis does not answer."""
        if kept := self._kept.get(team):
            kept.used_at = self._clock()
            self._kept.move_to_end(team)
            if kept.used_at < kept.look_at:
                return kept.workspace
        try:
            return await self._looked_up(team, enterprise or (kept.key[0] if kept else ""))
        except StoreError as error:
            if not kept:
                raise Unreachable(f"the installation of a workspace cannot be read: {error}") from error
            kept.look_at = self._clock() + _LOOK_AGAIN_S
            return kept.workspace

    def known(self, team: str) -> Workspace | None:
        """The workspace, where it was used before."""
        kept = self._kept.get(team)
        return kept.workspace if kept else None

    async def removed(self, team: str, *, enterprise: str, payload: Json) -> None:
        """Take an event app_uninstalled or tokens_revoked; see `removal`. Raises StoreError and PlatformError."""
        await self._removal.take(team, enterprise=enterprise, payload=payload)

    def forget(self, team: str) -> None:
        """Use the workspace no more until it is looked up again."""
        if kept := self._kept.pop(team, None):
            self._close(kept.workspace)

    async def aclose(self) -> None:
        """End what runs for all of them."""
        for team in list(self._kept):
            self.forget(team)
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._removal.aclose()
        await self._rotation.aclose()

    async def _looked_up(self, team: str, enterprise: str) -> Workspace:
        installation = await self._store.find(team, enterprise=enterprise)
        if installation and self._rotation.due(installation):
            renewal = self._rotation.begin(installation)
            if self._rotation.due(installation, within_s=URGENT_BEFORE_S):
                installation = await asyncio.shield(renewal)
        if installation is None:
            raise self._not_installed(team)
        if installation.enterprise_id:
            await self._store.belongs(team, installation.enterprise_id)
        return self._fitting(team, installation).workspace

    def _fitting(self, team: str, installation: Installation) -> _Kept:
        """What is kept for the team, brought up to what the installation says."""
        now, made_for = self._clock(), _made_for(installation)
        kept = self._kept.get(team)
        if kept and kept.made_for != made_for:
            log.info("slack_installation_changed", extra={"workspace": team})
            self.forget(team)
            kept = None
        if kept is None:
            kept = self._kept[team] = self._made(team, installation)
            self._make_room(now)
        kept.client.token = installation.bot_token or ""
        kept.used_at, kept.look_at = now, now + LOOK_EVERY_S
        return kept

    def _made(self, team: str, installation: Installation) -> _Kept:
        async def renew(refused: str, code: str) -> str:
            return await self._renewed(team, of(installation)[0], refused=refused, code=code)

        client = self._client_for(installation.bot_token or "", renew=renew)
        scopes = frozenset(installation.bot_scopes or ())
        enterprise = installation.enterprise_id or ""
        me = Identity(team, installation.bot_user_id or "", installation.bot_id or "", scopes, enterprise)
        workspace = Workspace(client, me, pause=self._pause, options=self._options)
        return _Kept(workspace, client, _made_for(installation), of(installation), self._clock())

    async def _renewed(self, team: str, enterprise: str, *, refused: str, code: str) -> str:
        """The token that stands instead of a refused one; "" where there is no other."""
        try:
            installation = await self._store.find(team, enterprise=enterprise)
            if installation and installation.bot_token == refused and code == EXPIRED:
                installation = await self._rotation.renewed(installation, refused=refused)
        except StoreError as error:
            raise Unreachable(f"a new token cannot be looked up: {error}") from error
        if installation is None:
            raise self._not_installed(team)
        token = self._fitting(team, installation).client.token or ""
        if token == refused and code in _REMOVED:
            # The event that says so is on its way, or was lost; nothing is deleted without it, but no answer waits.
            raise Forbidden(f"Slack has ended the installation ({code})")
        return "" if token == refused else token

    def _not_installed(self, team: str) -> NotInstalled:
        self.forget(team)
        return NotInstalled(f"the app is not installed in {team or 'a workspace without a name'}")

    def _make_room(self, now: float) -> None:
        while len(self._kept) > _KEPT_MAX:
            team, oldest = next(iter(self._kept.items()))
            if now - oldest.used_at < _IDLE_S:
                return
            self.forget(team)

    def _close(self, workspace: Workspace) -> None:
        task = asyncio.create_task(workspace.aclose(), name="slack-workspace-end")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _made_for(installation: Installation) -> tuple[object, ...]:
    """What a `Workspace` was made from; a new token alone does not need a new one."""
    return (*of(installation), installation.installed_at, installation.bot_id, installation.bot_user_id)
