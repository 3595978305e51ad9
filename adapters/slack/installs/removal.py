"""A workspace or an organisation has removed the app: its installation goes, and everything stored for it.

Slack sends `tokens_revoked` and `app_uninstalled`, in any order and again until they are acknowledged
(docs.slack.dev/reference/events, November 2026); so all of this may be done twice, and what is noted about an
organisation's workspaces is dropped last. Deleting can take longer than an event may wait: it goes on, and the event
that comes again waits for the same deletion. Such an event can also arrive after the app was installed again, or tell
of one workspace where a whole organisation installed it: then Slack is asked whether the token still works.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

from slack_sdk.oauth.installation_store import Installation

from adapters.slack.api.calls import Api, Unauthenticated, code_of
from adapters.slack.api.chores import end
from adapters.slack.api.renewing import EXPIRED
from adapters.slack.installs.installations import RENEWAL_REFUSED, Installations, of
from adapters.slack.installs.rotation import Rotation
from adapters.slack.payloads.fields import Json, record, text
from adapters.slack.workspaces import ClientOf
from bot.errors import Unreadable
from bot.services import Services

log = logging.getLogger(__name__)

_END_WITHIN_S: Final = 3.0


class Removal:
    """Deletes what belonged to an installation. `dropped` hears of each workspace that has gone."""

    def __init__(
        self,
        store: Installations,
        services: Services,
        client_of: ClientOf,
        *,
        rotation: Rotation,
        dropped: Callable[[str], None],
    ) -> None:
        self._store = store
        self._services = services
        self._client_of = client_of
        self._rotation = rotation
        self._dropped = dropped
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def take(self, team: str, *, enterprise: str, payload: Json) -> None:
        """Take one of the two events. Raises StoreError and PlatformError where it must come again."""
        if not _of_the_bot(record(payload, "event")):
            return
        key = enterprise, "" if team == enterprise else team  # an organisation's event may name it as the team
        if key not in self._running:
            task = self._running[key] = asyncio.create_task(self._take(*key, payload), name="slack-removal")
            task.add_done_callback(lambda done: self._ended(key, done))
        await asyncio.shield(self._running[key])

    async def aclose(self) -> None:
        """Give what is being deleted a moment; Slack sends the event again."""
        await end(self._running.values(), within_s=_END_WITHIN_S)

    def _ended(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        del self._running[key]
        if not task.cancelled() and (error := task.exception()):
            # Said here because the event that began it may have stopped waiting; Slack sends it again.
            about = {"enterprise": key[0], "workspace": key[1], "error": type(error).__name__}
            log.warning("slack_removal_broke_off", extra=about)

    async def _take(self, enterprise: str, team: str, payload: Json) -> None:
        try:
            installation = await self._store.find(team, enterprise=enterprise)
        except Unreadable:
            # Its key is gone for good, perhaps; what must be deleted is named by the event, not by what is sealed.
            log.warning("slack_removal_of_unreadable", extra={"workspace": team, "enterprise": enterprise})
            installation = None
        enterprise = (installation and installation.enterprise_id) or enterprise
        if installation and await self._lives(installation, team, payload):
            if of(installation)[1] == team:
                log.info("slack_removal_outdated", extra={"workspace": team})
                return
        elif installation and not of(installation)[1]:
            await self._delete(enterprise, "")
        if team:  # also where its organisation's installation goes on: the workspace has left it
            await self._delete(enterprise, team)
        await self._forget_unserved(enterprise, team)

    async def _delete(self, enterprise: str, team: str) -> None:
        await self._store.async_delete_all(enterprise_id=enterprise, team_id=team)
        if enterprise and team:  # from before it joined its organisation
            await self._store.async_delete_all(enterprise_id="", team_id=team)
        log.info("slack_removed", extra={"workspace": team, "enterprise": enterprise})

    async def _forget_unserved(self, enterprise: str, team: str) -> None:
        """Forget the workspace, and those of its organisation that no installation serves any more.

        Read from what is noted, not from what was deleted just now: a deletion that broke off is so completed.
        """
        known = await self._store.teams_of(enterprise) if enterprise else []
        unserved = [one for one in known if one != team and not await self._serves(one, enterprise)]
        for one in filter(None, [team, *unserved]):
            self._dropped(one)
            await self._services.forget(platform="slack", workspace=one)
            await self._store.leave(one)

    async def _serves(self, team: str, enterprise: str) -> bool:
        """Whether an installation stands for the workspace, be it one that cannot be read here."""
        try:
            return await self._store.find(team, enterprise=enterprise) is not None
        except Unreadable:
            return True

    async def _lives(self, installation: Installation, team: str, payload: Json) -> bool:
        """Whether the event is not about this installation as it stands. Raises PlatformError where Slack is silent."""
        removed_at = payload.get("event_time")
        since = isinstance(removed_at, int) and int(installation.installed_at) > removed_at
        named = installation.bot_user_id in _bots(record(payload, "event"))
        if not since and (named or of(installation)[1] == team):
            return False
        return await self._is_taken(await self._rotation.renewed(installation))

    async def _is_taken(self, installation: Installation | None) -> bool:
        """Whether Slack takes the token. One that has ended and could not be renewed now tells nothing: it raises."""
        if installation is None:
            return False
        try:
            await Api(self._client_of(installation.bot_token or "")).write("auth.test")
        except Unauthenticated as error:
            if code_of(error) == EXPIRED and RENEWAL_REFUSED not in installation.custom_values:
                raise
            return False
        return True


def _of_the_bot(event: Json) -> bool:
    """Whether the app itself was removed: `tokens_revoked` also tells of single people's tokens."""
    return text(event, "type") == "app_uninstalled" or bool(_bots(event))


def _bots(event: Json) -> list[object]:
    """The bot users whose tokens `tokens_revoked` names."""
    bots = record(event, "tokens").get("bot")
    return cast("list[object]", bots) if isinstance(bots, list) else []
