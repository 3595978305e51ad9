"""Where the app is installed, kept in the state that all processes share: the SDK's two stores over `bot.services`.

One record for each installation, under its (enterprise, team), sealed by `Shared` for the workspace or organisation it
belongs to. An Enterprise Grid organisation may install the app for all its workspaces: then the record has no team, and
which organisation a workspace belongs to is kept beside it, because an answer knows its workspace only. Only bot tokens
are asked for, so the bot's record is the installation. It does not know how tokens are renewed.
"""

import hashlib
import json
import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from logging import Logger
from typing import Any, Final, cast

from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from adapters.slack.api.sdklog import sdk_logger
from bot.errors import Unreadable
from bot.services import Shared

log = logging.getLogger(__name__)

STATE_GOOD_FOR_S: Final = 600.0
"""Chosen, and the SDK's own: so long may a person take over Slack's consent page."""

LOCK_TTL_S: Final = 60.0
"""Chosen: twice what the longest work inside takes, a renewal with its repetitions."""

RENEWAL_REFUSED: Final = "renewal_refused_at"
"""The custom value of a record whose refresh token Slack does not take any more; its Unix time."""

_LOCK_WITHIN_S: Final = 30.0
_RECORD: Final = "install:slack"
_HOME: Final = "install:slack-org"
_STATE_TENANT: Final = "slack"  # a state belongs to no workspace yet


class Installations(AsyncInstallationStore):
    """The SDK's installation store. Its methods raise StoreError; Unreadable where ENCRYPTION_KEY lacks a key."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    @property
    def logger(self) -> Logger:
        """What the SDK logs through."""
        return sdk_logger()

    @asynccontextmanager
    async def locked(self, enterprise: str, team: str) -> AsyncGenerator[None]:
        """Hold the one lock for all that changes an installation: installing, renewing its token, removing it.

        Without it a renewal under way would overwrite a reinstall, or bring back what was removed.
        """
        name = f"rotate:slack:{enterprise or '-'}:{team or '-'}"
        async with self._shared.lock(name, ttl_s=LOCK_TTL_S, within_s=_LOCK_WITHIN_S):
            yield

    async def async_save(self, installation: Installation) -> None:
        """Keep a new installation; on disk when it returns."""
        enterprise, team = of(installation)
        async with self.locked(enterprise, team):
            await self.keep(installation)
        if enterprise and team:
            await self.belongs(team, enterprise)

    async def async_save_bot(self, bot: Bot) -> None:
        """Keep an installation that is known by its bot alone."""
        await self.async_save(Installation(user_id="", **_copied(bot)))

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """The bot's part of the installation."""
        found = await self.async_find_installation(
            enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=is_enterprise_install
        )
        return found.to_bot() if found else None

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        """The workspace's own installation, else its organisation's; only that of `user_id` where one is given."""
        found = await self.find("" if is_enterprise_install else team_id or "", enterprise=enterprise_id or "")
        return None if found and user_id and found.user_id != user_id else found

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Delete exactly this installation; where it stands no more, nothing."""
        enterprise, team = enterprise_id or "", team_id or ""
        async with self.locked(enterprise, team):
            await self._shared.drop(_record(enterprise, team))

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """Delete exactly this installation; nothing for a single user, because no user tokens are kept."""
        if not user_id:
            await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Delete exactly this installation: the bot's is all there is."""
        await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    async def find(self, team: str, *, enterprise: str = "") -> Installation | None:
        """The installation that serves a workspace; `enterprise` as the event says, "" where nobody said.

        Of the workspace's own and its organisation's it is the newer one: each install is somebody's last word, and
        where an organisation took the app over from its workspaces, their older tokens may have ended. A workspace that
        joined an organisation after it had installed the app keeps its record without one.
        """
        enterprise = enterprise or await self.enterprise_of(team)
        keys = [(enterprise, team), (enterprise, ""), ("", team)]
        found = [one for key in dict.fromkeys(keys) if any(key) and (one := await self.exactly(*key))]
        return max(found, key=_installed_at, default=None)  # of equals the first

    async def stored(self) -> list[tuple[str, str]]:
        """The enterprise and team of every record, in their order."""
        begin = f"{_RECORD}:"
        names = [name.removeprefix(begin).split(":") for name in await self._shared.names(begin)]
        return sorted((enterprise.strip("-"), team.strip("-")) for enterprise, team in names)

    async def exactly(self, enterprise: str, team: str) -> Installation | None:
        """The installation under this key alone."""
        raw = await self._shared.get(_record(enterprise, team), tenant=team or enterprise)
        return None if raw is None else _decoded(raw)

    async def keep(self, installation: Installation) -> None:
        """Store a record; the caller holds the lock."""
        enterprise, team = of(installation)
        await self._shared.put(_record(enterprise, team), _encoded(installation), tenant=team or enterprise, ttl_s=None)

    async def belongs(self, team: str, enterprise: str) -> None:
        """Note the organisation of a workspace, for whoever knows the workspace alone."""
        if enterprise != await self.enterprise_of(team):
            await self._shared.put(_home(team), enterprise, tenant=team, ttl_s=None)

    async def enterprise_of(self, team: str) -> str:
        """The organisation that was noted for a workspace; "" for none."""
        return (await self._shared.get(_home(team), tenant=team)) or "" if team else ""

    async def teams_of(self, enterprise: str) -> list[str]:
        """The workspaces that were noted for an organisation."""
        begin = f"{_HOME}:"
        teams = [name.removeprefix(begin) for name in await self._shared.names(begin)]
        return sorted([team for team in teams if await self.enterprise_of(team) == enterprise])

    async def leave(self, team: str) -> None:
        """Forget which organisation a workspace belongs to."""
        await self._shared.drop(_home(team))


class States(AsyncOAuthStateStore):
    """The SDK's state store: a state is good once and for ten minutes, in whichever process the person comes back to.

    Its name in Redis is a hash, because names are readable there.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    @property
    def logger(self) -> Logger:
        """What the SDK logs through."""
        return sdk_logger()

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        """A new state."""
        state = secrets.token_urlsafe(32)
        await self._shared.put(_state(state), "1", tenant=_STATE_TENANT, ttl_s=STATE_GOOD_FOR_S)
        return state

    async def async_consume(self, state: str) -> bool:
        """Whether the state was issued and not used; it is used now."""
        return await self._shared.take(_state(state), tenant=_STATE_TENANT) is not None


def of(installation: Installation) -> tuple[str, str]:
    """What an installation is kept under: its enterprise and its team, "" for none."""
    team = "" if installation.is_enterprise_install else installation.team_id or ""
    return installation.enterprise_id or "", team


def _installed_at(installation: Installation) -> float:
    return float(installation.installed_at)


def _record(enterprise: str, team: str) -> str:
    return f"{_RECORD}:{enterprise or '-'}:{team or '-'}"


def _home(team: str) -> str:
    return f"{_HOME}:{team}"


def _state(state: str) -> str:
    return f"oauth:slack:{hashlib.sha256(state.encode()).hexdigest()}"


def _encoded(installation: Installation) -> str:
    return json.dumps(_copied(installation), default=_moment)


def _decoded(raw: str) -> Installation:
    try:
        return Installation(**cast("dict[str, Any]", json.loads(raw)))
    except (ValueError, TypeError) as error:
        raise Unreadable("a stored installation is not one: install the app there again") from error


def _copied(of: Installation | Bot) -> dict[str, Any]:
    """The fields by name; None is left out, because the SDK's constructors take no None for scopes."""
    return {name: value for name, value in of.to_dict_for_copying().items() if value is not None}


def _moment(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a field of the kind {type(value).__name__}")
