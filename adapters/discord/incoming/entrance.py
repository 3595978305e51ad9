"""What commands, menus and presses have in common: who may, the core's services, and a private question.

It reads no payload and knows no response.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from adapters.discord.api.webhooks import Ref
from adapters.discord.incoming.access import Access
from adapters.discord.payloads.interactions import Source
from adapters.discord.payloads.parse import Around, sent_at
from bot.events import Mention, Place
from bot.services import Services

NOT_HERE: Final = "Sorry, this is not available here."
FAILED: Final = "Sorry, that did not work. Please try again."


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
