"""What the buttons under an answer do: Stop, Regenerate, and what people think of it.

A button's custom id says whose answer it is, `rb:<act>:<asker id>:<question id>`, so that it works on any replica and
after a restart. A press comes once and is not sent again: what must not be lost is on disk before it is acknowledged.
"""

from functools import partial
from typing import Final

from adapters.discord.answers import buttons, responses
from adapters.discord.answers.responses import Json
from adapters.discord.incoming.entrance import Entrance, tenant
from adapters.discord.payloads.interactions import Form, Press, Source
from adapters.discord.payloads.parse import sent_at
from bot.events import Mention, Stop
from bot.platform import Submit
from bot.services import Feedback

NOT_YOURS: Final = "Sorry, only the people in this conversation can use this button."
OLD: Final = "This button no longer does anything."
THANKS: Final = "Thank you. Whoever runs me can read it."

WHY: Final = "rb:why:"
"""What the id of the form behind the thumb that points down begins with; the answer's message id follows."""

_WHY_MAX: Final = 1_000  # chosen: a reason, not an essay
_AGAIN_AFTER_S: Final = 20.0  # chosen: a double click is one wish


class Presses:
    """Presses, and the form behind the thumb that points down."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    async def pressed(self, press: Press, submit: Submit) -> Json:
        """Do what a button says, and give the first response. Raises StoreError."""
        found, source = buttons.pressed(press.custom_id), press.source
        if refusal := self._entrance.refusal(source):
            return responses.said(refusal)
        if found is None:
            return responses.said(OLD)
        if found.act in ("good", "bad"):
            return await self._rate(press, good=found.act == "good")
        if not _takes_part(source, found.asker, self._owner(source)):
            return responses.said(NOT_YOURS)
        if found.act == "stop":
            return await self._entrance.once(source, partial(_stop, press, submit))
        await self._regenerate(press, found.question, submit)
        return responses.UNCHANGED

    async def complained(self, form: Form) -> Json:
        """Take what somebody wrote about an answer. Raises StoreError."""
        services, source = self._entrance.services, form.source
        words, message_id = form.values.get(responses.TYPED, "").strip(), form.custom_id.removeprefix(WHY)
        if refusal := self._entrance.refusal(source):
            return responses.said(refusal)
        if services and words:
            await services.feedback(Feedback(source.place, message_id, source.actor, good=False, text=words))
        return responses.said(THANKS)

    def _owner(self, source: Source) -> str:
        """Who began the thread: as the press says, else as the gateway has said."""
        known = self._entrance.around(source.place.workspace).guild.threads
        return source.owner or known.get(source.place.thread or "", "")

    async def _regenerate(self, press: Press, question: str, submit: Submit) -> None:
        source, services = press.source, self._entrance.services
        place = source.place
        mention = Mention(
            event_id=f"discord:{source.id}",
            place=place,
            author=source.actor,
            text="",
            message_id=source.id,
            sent_at=sent_at(source.id),
            replaces=press.message_id,
        )
        if services is None:
            await submit(mention)
            return

        async def again() -> str:
            await submit(mention)
            return ""

        # The button under the new answer names another question, so that it is another wish.
        wish = f"again:discord:{place.workspace}:{place.channel}:{press.message_id}:{question}"
        await services.shared.once(wish, again, tenant=tenant(source), ttl_s=_AGAIN_AFTER_S)

    async def _rate(self, press: Press, *, good: bool) -> Json:
        """Pass an opinion on. The other thumb replaces it; the same one again erases nothing that was written."""
        source, services = press.source, self._entrance.services
        if services is not None:
            await services.feedback(Feedback(source.place, press.message_id, source.actor, good=good))
        if good or services is None:
            return responses.UNCHANGED
        return responses.form(
            WHY + press.message_id, "What was wrong?", "Tell whoever runs me", required=False, typed_max=_WHY_MAX
        )


async def _stop(press: Press, submit: Submit) -> Json:
    """The answer's own message leads to its conversation, also where the question went on with an older one."""
    await submit(Stop(press.source.place, press.source.actor, press.message_id))
    return responses.UNCHANGED


def _takes_part(source: Source, asker: str, owner: str) -> bool:
    """Stop and Regenerate are for the asker, for a thread's owner, and for whoever moderates."""
    return source.place.kind == "dm" or source.actor.id in (asker, owner) or source.moderates
