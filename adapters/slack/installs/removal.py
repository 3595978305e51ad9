"""A workspace or an organisation has removed the app: its installation goes, and everything stored for it.

Slack sends `tokens_revoked` and `app_uninstalled`, in any order and again until they are acknowledged
(docs.slack.dev/reference/events, November 2026); so all of this may be done twice, and what is noted about an
organisation's workspaces is dropped last. Such an event can also arrive after the app was installed again, or tell of
one workspace where a whole organisation installed it: then Slack is asked whether the token still works.
"""

import logging
from collections.abc import Callable
from typing import cast

from slack_sdk.oauth.installation_store import Installation

from adapters.slack.api.calls import Api, Unauthenticated
from adapters.slack.installs.installations import Installations, of
from adapters.slack.payloads.fields import Json, record, text
from adapters.slack.workspaces import ClientOf
from bot.services import Services

log = logging.getLogger(__name__)


class Removal:
    """Deletes what belonged to an installation. `dropped` hears of each workspace that has gone."""

    def __init__(
        self,
        store: Installations,
        services: Services,
        client_of: ClientOf,
        *,
        dropped: Callable[[str], None],
    ) -> None:
        self._store = store
        self._services = services
        self._client_of = client_of
        self._dropped = dropped

    async def take(self, team: str, *, enterprise: str, payload: Json) -> None:
        """Take one of the two events. Raises StoreError and PlatformError where it must come again."""
        if not _of_the_bot(record(payload, "event")):
            return
        own = "" if team == enterprise else team  # an organisation's event may name it as the team
        installation = await self._store.find(own, enterprise=enterprise)
        if installation and await self._lives(installation, own, payload):
            if of(installation)[1] == own:
                log.info("slack_removal_outdated", extra={"workspace": team})
                return
            await self._forget(own)
            return
        await self._delete(installation, own)

    async def _delete(self, installation: Installation | None, team: str) -> None:
        teams = [team] if team else []
        if installation:
            enterprise, own = of(installation)
            await self._store.async_delete_all(enterprise_id=enterprise, team_id=own)
            if enterprise and team:  # from before the workspace joined its organisation
                await self._store.async_delete_all(enterprise_id="", team_id=team)
            log.info("slack_removed", extra={"workspace": own, "enterprise": enterprise})
            teams = [own] if own else [*teams, *await self._store.teams_of(enterprise)]
        for one in dict.fromkeys(teams):
            await self._forget(one)

    async def _forget(self, team: str) -> None:
        self._dropped(team)
        await self._services.forget(platform="slack", workspace=team)
        await self._store.leave(team)

    async def _lives(self, installation: Installation, team: str, payload: Json) -> bool:
        """Whether the event is not about this installation as it stands. Raises PlatformError where Slack is silent."""
        removed_at = payload.get("event_time")
        since = isinstance(removed_at, int) and int(installation.installed_at) > removed_at
        named = installation.bot_user_id in _bots(record(payload, "event"))
        if not since and (named or of(installation)[1] == team):
            return False
        try:
            await Api(self._client_of(installation.bot_token or "")).write("auth.test")
        except Unauthenticated:
            return False
        return True


def _of_the_bot(event: Json) -> bool:
    """Whether the app itself was removed: `tokens_revoked` also tells of single people's tokens."""
    return text(event, "type") == "app_uninstalled" or bool(_bots(event))


def _bots(event: Json) -> list[object]:
    """The bot users whose tokens `tokens_revoked` names."""
    bots = record(event, "tokens").get("bot")
    return cast("list[object]", bots) if isinstance(bots, list) else []
