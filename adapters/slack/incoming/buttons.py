"""What the buttons under an answer do: Stop, Regenerate, and what people think of it.

Pressing is for the asker and the people of the thread, as far as they may use the bot at all. A press comes once and is
not sent again, so whatever must not be lost is on disk before it is acknowledged.
"""

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, cast

from adapters.slack.answers.blocks import BAD, FEEDBACK, GOOD, REGENERATE, STOP, asked_by
from adapters.slack.incoming import modals
from adapters.slack.incoming.access import Entry
from adapters.slack.incoming.entrance import Entrance
from adapters.slack.payloads.fields import Json, seconds, text
from adapters.slack.payloads.interactions import Form, Press, stands
from adapters.slack.workspace import Workspace
from bot.errors import PlatformError
from bot.events import Author, Mention, Place, Stop
from bot.platform import Submit
from bot.services import Feedback

log = logging.getLogger(__name__)

NOT_YOURS: Final = "Sorry, only the people in this thread can use its buttons."

_AGAIN_AFTER_S: Final = 20.0  # chosen: a double click is one wish


class Buttons:
    """Presses, and the form behind the thumb that points down."""

    def __init__(self, entrance: Entrance, *, clock: Callable[[], float] = time.time) -> None:
        self._entrance = entrance
        self._clock = clock

    async def pressed(self, workspace: Workspace, press: Press, submit: Submit) -> None:
        """Do what a button says. Raises StoreError and PlatformError: then Slack tells the person that it failed."""
        if press.action_id not in (STOP, REGENERATE, FEEDBACK) or press.by_bot != workspace.me.bot_id:
            return
        entry = Entry(press.source.actor, press.source.place, "button", press.source.enterprise)
        line = await self._barred(workspace, entry, press)
        if line:
            await self._entrance.tell(workspace, entry, line)
            return
        author = await called(workspace, entry.actor)
        if press.action_id == STOP:
            await submit(Stop(entry.place, author, asked_by(press.value)[1]))
        elif press.action_id == REGENERATE:
            await self._regenerate(press, author, submit)
        else:
            await self._rate(workspace, press, author)

    async def complained(self, workspace: Workspace, form: Form) -> None:
        """Take what somebody wrote about an answer. Raises StoreError and PlatformError."""
        where, ts = noted(form.source.place.workspace, form.note)
        entry = Entry(form.source.actor, where, "form", form.source.enterprise)
        words = form.values.get(modals.TYPED, "").strip()
        if not (ts and words) or await self._entrance.refusal(workspace, entry):
            return
        if services := self._entrance.services:
            await services.feedback(Feedback(where, ts, entry.actor, good=False, text=words))

    async def _barred(self, workspace: Workspace, entry: Entry, press: Press) -> str:
        """Why the person may not press it; "" who may."""
        if refusal := await self._entrance.refusal(workspace, entry):
            return refusal.line
        return "" if await self._takes_part(press) else NOT_YOURS

    async def _takes_part(self, press: Press) -> bool:
        who = press.source.actor.id
        if press.source.place.kind == "dm" or asked_by(press.value)[0] == who:
            return True
        people = await self._entrance.marks.people(press.source.place)
        return people is None or who in people

    async def _regenerate(self, press: Press, author: Author, submit: Submit) -> None:
        place = press.source.place
        pressed_at = seconds(press.at)
        mention = Mention(
            event_id=f"slack:{place.workspace}:{place.channel}:again-{press.at}",
            place=place,
            author=author,
            text="",
            message_id=press.at,
            sent_at=self._clock() if math.isnan(pressed_at) else pressed_at,
            replaces=press.message_ts,
        )
        # The button under the new answer names another question, so that it is another wish.
        wish = f"again:slack:{place.workspace}:{place.channel}:{press.message_ts}:{asked_by(press.value)[1]}"
        async with self._entrance.marks.first(wish, workspace=place.workspace, ttl_s=_AGAIN_AFTER_S) as first:
            if first:
                await submit(mention)

    async def _rate(self, workspace: Workspace, press: Press, author: Author) -> None:
        """Pass an opinion on. The other thumb replaces it; the same one again erases nothing that was written."""
        services, place = self._entrance.services, press.source.place
        if services is None or press.value not in (GOOD, BAD):
            return
        await services.feedback(Feedback(place, press.message_ts, author, good=press.value == GOOD))
        if press.value == BAD:
            await self._open_form(workspace, press)

    async def _open_form(self, workspace: Workspace, press: Press) -> None:
        view = modals.feedback(note(press.source.place, press.message_ts))
        try:
            await workspace.api.write("views.open", trigger_id=press.source.trigger_id, view=view)
        except PlatformError as error:
            log.warning("slack_form_failed", extra={"error": str(error)})  # the opinion is stored


async def called(workspace: Workspace, author: Author) -> Author:
    """The author under the name that people know; a payload of a button carries only a handle."""
    names = await workspace.names.of([author.id])
    return replace(author, name=names.get(author.id, author.name))


def note(place: Place, ts: str) -> str:
    """A message and where it stands, to be carried by a form: ids only."""
    return json.dumps({"channel": place.channel, "thread": place.thread, "ts": ts})


def noted(workspace: str, note: str) -> tuple[Place, str]:
    """The same read back; the ts is "" where it is none."""
    try:
        found: object = json.loads(note)
    except ValueError:
        found = None
    read = cast(Json, found) if isinstance(found, dict) else {}
    return stands(workspace, text(read, "channel"), text(read, "thread") or None), text(read, "ts")
