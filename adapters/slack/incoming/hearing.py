"""Events on their way to the inbox: who said it, whether they may, what people are called, in which order.

An event that is nothing to the bot costs no call and no wait. In a thread where the bot takes no part a message costs
one look at the shared state, and no call of Slack's. Only `message` brings files along: an `app_mention` carries none,
and looking each of them up would cost a Tier 3 call for a mention. Subscribed as the manifest says, both forms come;
where `app_mention` wins the race, the names of the files are missing.
"""

import logging
from dataclasses import replace
from typing import Final

from adapters.slack.incoming.access import Entry
from adapters.slack.incoming.commands import Commands, spoken
from adapters.slack.incoming.entrance import Entrance
from adapters.slack.incoming.home import Home
from adapters.slack.incoming.order import Turn
from adapters.slack.payloads.changes import change, edited, stop
from adapters.slack.payloads.fields import Json, record, text
from adapters.slack.payloads.parse import enterprise, mention, named_in
from adapters.slack.workspace import Workspace
from bot.events import Author, Change, Mention, Place
from bot.platform import Submit

log = logging.getLogger(__name__)

MESSAGES: Final = ("message", "app_mention")


class Hearing:
    """Takes the events of all workspaces."""

    def __init__(self, entrance: Entrance, commands: Commands) -> None:
        self._entrance = entrance
        self._commands = commands
        self._home = Home(entrance)

    async def message(self, workspace: Workspace, payload: Json, submit: Submit, turn: Turn) -> None:
        """Take a message, an edit or a deletion. Raises StoreError and PlatformError: it is then to come again."""
        threads = self._entrance.threads(workspace)
        if found := mention(payload, workspace.me, threads=threads):
            await self._mention(workspace, payload, found, submit, turn)
        elif changed := change(payload, workspace.me, threads=threads):
            await self._change(workspace, payload, changed, submit, turn)

    async def other(self, workspace: Workspace, payload: Json, submit: Submit) -> None:
        """Take what is no message: it waits for nothing. Raises StoreError and PlatformError."""
        event = record(payload, "event")
        match event.get("type"):
            case "agent_session_stopped":
                await self._stop(workspace, payload, submit)
            case "agent_session_title_changed":
                by, thread = text(event, "user"), text(event, "thread_ts")
                if thread and by not in ("", workspace.me.user_id):
                    await workspace.sessions.renamed(text(event, "channel"), thread)
            case "app_home_opened":
                await self._home.opened(workspace, payload)
            case _:
                return

    async def _mention(self, workspace: Workspace, payload: Json, found: Mention, submit: Submit, turn: Turn) -> None:
        if not await self._meant(found, turn):
            return
        entry = replace(_entry(payload, found.author, found.place), begins=found.place.thread == found.message_id)
        if refusal := await self._entrance.refusal(workspace, entry):
            if found.addressed:
                await self._entrance.tell(workspace, entry, refusal.line)
            return
        event = record(payload, "event")
        names = await workspace.names.of(named_in(event, workspace.me))
        found = mention(payload, workspace.me, names, threads=self._entrance.threads(workspace)) or found
        if await self._entrance.marks.is_echo(found, text(event, "client_msg_id")):
            log.info("slack_gesture_came_twice", extra={"event_id": found.event_id})
            return
        await turn()
        if await self._commands.spoken(workspace, entry, found, submit):
            return
        if found.addressed or self._entrance.rules.follow_ups:
            await submit(await self._among(found))

    async def _meant(self, found: Mention, turn: Turn) -> bool:
        """Whether a message may be for the bot; notes who takes part in its thread.

        A mention is noted before anything is waited for: what follows it in the thread then finds the note.
        """
        if found.addressed:
            if found.place.kind != "dm":
                await self._entrance.marks.join(found.place, found.author.id, *found.others)
            return True
        # A command in a thread of the bot's is for it also where follow-ups are not.
        meant = self._entrance.rules.follow_ups or spoken(found.text)
        if not meant or not await self._takes_part(found.place, turn):
            return False
        await self._entrance.marks.join(found.place, found.author.id)
        return True

    async def _takes_part(self, place: Place, turn: Turn) -> bool:
        """Whether the bot may take part in a thread; what came just before may be its beginning."""
        people = await self._entrance.marks.people(place)
        if people == frozenset():
            await turn()
            people = await self._entrance.marks.people(place)
        return people != frozenset()

    async def _among(self, found: Mention) -> Mention:
        """A follow-up with everybody who is known to talk in its thread.

        Who may not use the bot is noted, and never comes to the inbox; yet with them in it a thread is no longer one
        person's with the bot.
        """
        if found.addressed:
            return found
        people = await self._entrance.marks.people(found.place) or frozenset()
        return replace(found, others=tuple(dict.fromkeys((*found.others, *sorted(people - {found.author.id})))))

    async def _change(self, workspace: Workspace, payload: Json, changed: Change, submit: Submit, turn: Turn) -> None:
        """Hand an edit or a deletion over. Whoever may not use the bot may still take a message back."""
        if changed.place.kind != "dm" and not await self._takes_part(changed.place, turn):
            return
        if changed.now:
            entry = _entry(payload, changed.now.author, changed.place)
            if await self._entrance.refusal(workspace, entry):
                return
            names = await workspace.names.of(named_in(edited(payload), workspace.me))
            threads = self._entrance.threads(workspace)
            changed = change(payload, workspace.me, names, threads=threads) or changed
        await turn()
        await submit(changed)

    async def _stop(self, workspace: Workspace, payload: Json, submit: Submit) -> None:
        found = stop(payload, workspace.me)
        if found is None or await self._entrance.refusal(workspace, _entry(payload, found.by, found.place)):
            return
        people = None if found.place.kind == "dm" else await self._entrance.marks.people(found.place)
        if not people or found.by.id in people:  # none are known where nothing was noted yet
            await submit(found)
        else:
            log.info("slack_stop_by_a_bystander", extra={"workspace": workspace.me.team_id, "user": found.by.id})


def _entry(payload: Json, actor: Author, place: Place) -> Entry:
    said = payload.get("is_ext_shared_channel")
    return Entry(actor, place, "event", enterprise(payload), said if isinstance(said, bool) else None)
