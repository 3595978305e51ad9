"""What Slack delivers, and who in this package takes it: events, presses, shortcuts, forms and commands.

It finds the workspace and keeps a conversation's events in order. It knows neither HTTP nor sockets, logs no content.
"""

import logging
from dataclasses import replace
from typing import Final

from adapters.slack.incoming import modals
from adapters.slack.incoming.buttons import Buttons
from adapters.slack.incoming.commands import Commands
from adapters.slack.incoming.entrance import Entrance
from adapters.slack.incoming.hearing import MESSAGES, Hearing
from adapters.slack.incoming.order import Order
from adapters.slack.incoming.shortcuts import Shortcuts
from adapters.slack.payloads import interactions, parse
from adapters.slack.payloads.fields import Json, record, text
from adapters.slack.payloads.interactions import Form, Press, Shortcut, Slash, Source
from adapters.slack.workspace import Workspace
from adapters.slack.workspaces import Workspaces
from bot.errors import Forbidden
from bot.platform import Submit

log = logging.getLogger(__name__)

_LEAVING: Final = ("app_uninstalled", "tokens_revoked")


class Dispatch:
    """Hands each delivery on, for all workspaces."""

    def __init__(self, workspaces: Workspaces, entrance: Entrance) -> None:
        self._workspaces = workspaces
        self._commands = Commands(entrance)
        self._hearing = Hearing(entrance, self._commands)
        self._buttons = Buttons(entrance)
        self._shortcuts = Shortcuts(entrance)
        self._order = Order()

    async def take(self, payload: Json, submit: Submit) -> Json:
        """Take a delivery, and give what its acknowledgement says; {} for a bare one.

        Raises StoreError and PlatformError: it must then not be acknowledged.
        """
        if interactions.is_interaction(payload):
            return await self._interaction(payload, submit)
        await self._event(payload, submit)
        return {}

    async def _event(self, payload: Json, submit: Submit) -> None:
        event = record(payload, "event")
        if payload.get("type") != "event_callback":
            return
        if event.get("type") in _LEAVING:
            await self._workspaces.removed(parse.team(payload), enterprise=parse.enterprise(payload), payload=payload)
        elif event.get("type") not in MESSAGES:
            if workspace := await self._workspace(payload):
                await self._hearing.other(workspace, payload, submit)
        else:
            # The place in the queue is taken before anything is waited for.
            async with self._order.turn(f"{parse.team(payload)}:{_line(event)}") as turn:
                if workspace := await self._workspace(payload):
                    await self._hearing.message(workspace, payload, submit, turn)

    async def _workspace(self, payload: Json) -> Workspace | None:
        """The event's workspace; None where the app is no longer installed."""
        team = parse.team(payload)
        try:
            return await self._workspaces.of(team, enterprise=parse.enterprise(payload))
        except Forbidden:
            log.info("slack_event_not_installed", extra={"workspace": team})
            return None

    async def _interaction(self, payload: Json, submit: Submit) -> Json:
        found = interactions.interaction(payload)
        if found is None:
            return {}
        workspace = await self._workspaces.of(found.source.place.workspace, enterprise=found.source.enterprise)
        found = replace(found, source=_here(found.source, workspace.me.team_id))
        match found:
            case Slash():
                return await self._commands.slash(workspace, found, submit)
            case Press():
                await self._buttons.pressed(workspace, found, submit)
            case Shortcut():
                await self._shortcuts.chosen(workspace, found, submit)
            case Form(callback_id=modals.ASK):
                return await self._shortcuts.asked(workspace, found, submit)
            case Form(callback_id=modals.FEEDBACK):
                await self._buttons.complained(workspace, found)
            case Form():
                log.info("slack_form_unknown", extra={"workspace": found.source.place.workspace})
        return {}


def _line(event: Json) -> str:
    """Which events come one after the other: those of a thread, and of a direct conversation, which may be one.

    In other threads of a channel nobody waits for a look-up that concerns this one.
    """
    channel, said = text(event, "channel"), record(event, "message") or record(event, "previous_message") or event
    if parse.is_dm(event):
        return channel
    return f"{channel}:{text(said, 'thread_ts') or text(said, 'ts') or text(event, 'deleted_ts')}"


def _here(source: Source, own: str) -> Source:
    """The source with the bot's own workspace as its place.

    In a channel shared with others a payload names the person's workspace and organisation, not the bot's. An
    organisation-wide token (`own` is an E id) is at home in every workspace of the organisation.
    """
    if own in (source.place.workspace, source.enterprise):
        return source
    return replace(source, place=replace(source.place, workspace=own), enterprise="")
