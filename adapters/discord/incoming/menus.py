"""The entries in a message's menu: ask about it, summarize from it on. Both answer the person alone.

They work without any privileged intent, and installed by the person where the bot is not: the payload brings the
target message with its content. What was said after it the bot reads only where it may.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, cast

from adapters.discord.answers import responses
from adapters.discord.answers.responses import Json
from adapters.discord.api.rest import Rest
from adapters.discord.incoming.entrance import FAILED, NOT_HERE, Entrance, private, tenant
from adapters.discord.payloads import quoting
from adapters.discord.payloads.fields import Payload
from adapters.discord.payloads.interactions import Form, Menu, Source
from bot.errors import PlatformError
from bot.events import Place
from bot.platform import Submit

log = logging.getLogger(__name__)

ASK: Final = "Ask about this message"
SUMMARIZE: Final = "Summarize from here"
"""The names in the menu, by which Discord also calls them."""

ABOUT: Final = "rb:about:"
"""What the id of the question's form begins with; the target message's id follows."""

EXPIRED: Final = "I no longer have this message. Please choose it again."

_SUMMARIZE: Final = (
    "Summarize these messages for me: what they are about, what was decided, what is still open and who has to do "
    "what. Use short bullet points, and say nothing that does not stand in them."
)
_KEPT_S: Final = 1_800.0  # chosen: who writes at a question for half an hour asks anew
_PAGES_MAX: Final = 2  # chosen: 200 messages, two calls
_PAGE: Final = 100
_READ_WITHIN_S: Final = 15.0
_MESSAGES: Final = "/channels/{channel_id}/messages"


class Menus:
    """What was chosen from a message's menu, and the form that asks for the question."""

    def __init__(self, entrance: Entrance, rest: Rest) -> None:
        self._entrance = entrance
        self._rest = rest

    async def chosen(self, menu: Menu, submit: Submit) -> Json:
        """Do it, and give the first response. Raises StoreError."""
        if refusal := self._entrance.refusal(menu.source):
            return responses.said(refusal)
        if menu.name == ASK:
            return await self._ask(menu)
        if menu.name == SUMMARIZE:
            return await self._summarize(menu, submit)
        return responses.said(NOT_HERE)

    async def asked(self, form: Form, submit: Submit) -> Json:
        """Take a question about a message. Raises StoreError."""
        source, services = form.source, self._entrance.services
        if refusal := self._entrance.refusal(source):
            return responses.said(refusal)
        question = form.values.get(responses.TYPED, "").strip()
        name = _about(source, form.custom_id.removeprefix(ABOUT))
        kept = await services.shared.get(name, tenant=tenant(source)) if services else None
        if not (question and kept):
            return responses.said(EXPIRED if question else FAILED)
        await submit(private(source, f"{json.loads(kept)}\n\nMy question about it: {question}"))
        return responses.DEFERRED

    async def _ask(self, menu: Menu) -> Json:
        source, services = menu.source, self._entrance.services
        if services is None:
            return responses.said(NOT_HERE)
        quoted = quoting.one(menu.target, self._entrance.around(source.place.workspace))
        name = _about(source, menu.message_id)
        await services.shared.put(name, json.dumps(quoted), tenant=tenant(source), ttl_s=_KEPT_S)
        return responses.form(ABOUT + menu.message_id, ASK, "Your question", required=True)

    async def _summarize(self, menu: Menu, submit: Submit) -> Json:
        source = menu.source
        found = [menu.target, *(await self._after(menu))]
        quoted = quoting.several(found, self._entrance.around(source.place.workspace))
        # Nothing around the messages is to be read once more, as it would be in a thread.
        place = replace(source.place, thread=None, kind="channel") if source.place.thread else source.place
        await submit(private(source, f"{quoted}\n\n{_SUMMARIZE}", place=place))
        return responses.DEFERRED

    async def _after(self, menu: Menu) -> Sequence[Payload]:
        """What was said after the target, oldest first; nothing where the bot may not read, or cannot now."""
        found: list[Payload] = []
        if not (menu.source.reads or _alone(menu.source.place)):
            return found
        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                for _ in range(_PAGES_MAX):
                    after = max((str(one["id"]) for one in found), key=int, default=menu.message_id)
                    params = {"after": after, "limit": str(_PAGE)}
                    page = await self._rest.get(_MESSAGES, params=params, channel_id=menu.source.place.channel)
                    found += cast(list[Payload], page)
                    if len(page) < _PAGE:
                        break
        except (PlatformError, TimeoutError) as error:
            log.info("channel_not_read", extra={"event_id": menu.source.id, "error": type(error).__name__})
        return found


def _alone(place: Place) -> bool:
    """Whether it is the bot's own direct channel with the person."""
    return place.kind == "dm"


def _about(source: Source, message_id: str) -> str:
    place = source.place
    return f"about:discord:{place.workspace}:{place.channel}:{message_id}:{source.actor.id}"
