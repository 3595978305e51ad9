"""What commands, menus and presses have in common: who may, the core's services, acts done once, a private question.

It reads no payload and knows no response.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from adapters.discord.answers.responses import Json
from adapters.discord.api.webhooks import Ref
from adapters.discord.incoming.access import Access
from adapters.discord.payloads.interactions import Source
from adapters.discord.payloads.parse import Around, sent_at
from bot.events import Mention, Place
from bot.services import Services

NOT_HERE: Final = "Sorry, this is not available here."
FAILED: Final = "Sorry, that did not work. Please try again."

ANSWER_KEPT_S: Final = 900.0
"""Chosen: as long as an interaction can be answered; after that nobody sends it again."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """What every entry needs. `services` is None where the core offers none; `around` tells of a server by its id."""

    access: Access
    around: Callable[[str | None], Around]
    services: Services | None = None

    def refusal(self, source: Source) -> str | None:
        """A sentence for who may not, None for who may."""
        place = source.place
        return self.access.refusal(
            source.actor,
            guild=place.workspace,
            channel=place.channel,
            parent=source.parent,
            roles=source.roles,
        )

    async def once(self, source: Source, act: Callable[[], Awaitable[Json]]) -> Json:
        """Do what is not to be done twice, and give its response; whoever hears of it again gives the same response.

        Two processes may hear the same shard, and a RESUME in a new one may bring again what was done seconds ago: by
        then another answer may be on its way, which a second Stop would end and a second reset would forget. Who comes
        while it is being done waits: Discord takes either's response. Raises StoreError.
        """
        if self.services is None:
            return await act()

        async def done() -> str:
            return json.dumps(await act())

        name = f"did:{tenant(source)}:{source.id}"
        return json.loads(await self.services.shared.once(name, done, tenant=tenant(source), ttl_s=ANSWER_KEPT_S))


def private(source: Source, text: str, *, place: Place | None = None) -> Mention:
    """A question that its author alone sees answered; `place` where it is not to be read with what stands around it."""
    return Mention(
        event_id=f"discord:{source.id}",
        place=place or source.place,
        author=source.actor,
        text=text,
        message_id=source.id,
        sent_at=sent_at(source.id),
        private=True,
        reply_ref=Ref(source.application, source.token, sent_at(source.id)).reply_ref,
    )


def tenant(source: Source) -> str:
    """Whose the values are that the shared state keeps for it."""
    return f"discord:{source.place.workspace}"
