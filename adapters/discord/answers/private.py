"""Answers that one person sees: in place of the deferred response, then as follow-ups, and late as a direct message.

Rules of the platform (developer docs, Receiving and Responding, read November 2026): an interaction's token answers for
15 minutes; where the app is not installed on the server, five follow-ups are taken; a nonce does nothing there, and a
follow-up cannot be looked for. So after an unclear outcome a part may be seen twice, which is better than not at all;
the original response is edited, which can be repeated.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast

from adapters.discord.answers.posting import Posting
from adapters.discord.answers.responses import EPHEMERAL, SUPPRESS_EMBEDS
from adapters.discord.api.rest import Rest
from adapters.discord.api.webhooks import Ended, Ref, Refused, Webhooks, ref
from bot.errors import Ambiguous, Forbidden, PlatformError, Unreachable
from bot.events import Mention, Place

log = logging.getLogger(__name__)

FOLLOW_UPS_MAX: Final = 5
"""For every private answer, not only where Discord counts: nobody wants more than six messages for themselves."""

TOKEN_S: Final = 900.0
TOKEN_MARGIN_S: Final = 60.0
"""Before the token's end nothing more is begun with it (chosen): a call with its waits takes seconds, not minutes."""

UNACKNOWLEDGED_S: Final = 30.0
"""So long an unknown token may only mean that the first response is still on its way (chosen)."""

INVALID_FORM: Final = 50035


class Private:
    """Delivers private answers. Texts are as Discord shows them."""

    def __init__(
        self, webhooks: Webhooks, rest: Rest, posting: Posting, *, now: Callable[[], float] = time.time
    ) -> None:
        self._webhooks = webhooks
        self._rest = rest
        self._posting = posting
        self._now = now

    async def post(self, mention: Mention, content: str, *, key: str, first: bool, recover: bool) -> str:
        """Show the text to the mention's author alone; gives the message's id. Raises PlatformError."""
        to = ref(mention.reply_ref)
        if to is not None and self._age_s(to) < TOKEN_S - TOKEN_MARGIN_S:
            try:
                return await self._answer(to, mention, content, first=first)
            except (Ended, Forbidden, Refused) as error:
                if isinstance(error, Ended) and self._age_s(to) < UNACKNOWLEDGED_S:
                    raise Unreachable("the interaction is not acknowledged yet") from error
                if isinstance(error, Refused) and error.code == INVALID_FORM:
                    raise
                log.info("private_elsewhere", extra={"event_id": mention.event_id, "error": str(error)})
        return await self._directly(mention, content, key=key, recover=recover)

    async def _answer(self, to: Ref, mention: Mention, content: str, *, first: bool) -> str:
        body: dict[str, Any] = {
            "content": content,
            "flags": SUPPRESS_EMBEDS if first else SUPPRESS_EMBEDS | EPHEMERAL,
            "allowed_mentions": {"parse": [], "users": [mention.author.id]},
        }
        return await (self._webhooks.edit(to, body) if first else self._webhooks.follow_up(to, body))

    async def _directly(self, mention: Mention, content: str, *, key: str, recover: bool) -> str:
        """A direct message, which Discord refuses where the person takes none from the bot."""
        try:
            opened = await self._rest.create("/users/@me/channels", {"recipient_id": mention.author.id})
        except Ambiguous as error:  # there is one channel, however often it is opened
            raise Unreachable("POST: the direct channel was not opened") from error
        except PlatformError as error:
            if error.retryable:
                raise
            raise Forbidden(f"no direct channel with the person: {error}") from error
        channel = str(cast(dict[str, Any], opened)["id"])
        there = replace(mention, place=Place("discord", "", channel, None, "dm"))
        return await self._posting.create(there, content, key=key, first=False, recover=recover, stage="last")

    def _age_s(self, to: Ref) -> float:
        return self._now() - to.made
