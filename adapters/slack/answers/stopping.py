"""Ending a streamed message, so that it becomes an ordinary one. No text goes along, so it can be repeated.

chat.stopStream may carry blocks, metadata and the session's next status (docs.slack.dev/reference/methods/
chat.stopStream, November 2026). Where Slack refuses one of these, the message matters more: it is ended without.
"""

import logging
from typing import Any, Final

from adapters.slack.answers.blocks import Style, buttons
from adapters.slack.answers.sessions import Sessions, Status
from adapters.slack.answers.styles import Styles
from adapters.slack.api.budgets import Metered
from adapters.slack.api.calls import code_of
from adapters.slack.api.latches import ABOUT_A_PERSON, FOR_GOOD, Latches
from bot.errors import Gone, PlatformError, RateLimited, Unreachable
from bot.events import Mention
from bot.platform import Stage

log = logging.getLogger(__name__)

Json = dict[str, Any]

ENDED: Final = frozenset({"message_not_in_streaming_state", "stopped_by_user"})
"""Slack's words for a stream that takes no more: expired, stopped, or stopped by a person."""


class Stopping:
    """Ends the streams of one workspace."""

    def __init__(self, stop: Metered, sessions: Sessions, styles: Styles, latches: Latches) -> None:
        self._stop = stop
        self._sessions = sessions
        self._styles = styles
        self._latches = latches

    async def __call__(
        self, mention: Mention, ts: str, *, metadata: Json | None, stage: Stage, late: bool = False
    ) -> bool:
        """End a message of the answer; True when this call did it, False when it had ended or never will.

        `late` says that nobody waits for it: the turn may be over by the time Slack takes the call, here or in another
        process, and its session must then not begin to work again. Raises RateLimited and Unreachable: then try again.
        """
        goes_on = stage != "last" and not late and self._sessions.is_processing(mention)
        status: Status = "processing" if goes_on else "active"
        try:
            await self._styles.write(lambda style: self._dressed(mention, ts, style, metadata, stage, status))
        except (RateLimited, Unreachable):
            raise
        except PlatformError as error:
            code = code_of(error)
            if code in ABOUT_A_PERSON:
                # Slack ends it within five minutes; its text stands, and the next answer is not streamed to them.
                self._latches.close(("person", mention.author.id))
            if isinstance(error, Gone) or code in ENDED | ABOUT_A_PERSON:
                return False
            if code == "not_agent_app":
                self._sessions.refuse(error)
            elif code in FOR_GOOD:
                self._latches.close("streaming")
            return await self._bare(mention, ts, metadata)
        if self._sessions.agent:
            self._sessions.noted(mention, status)
        return True

    async def _dressed(
        self, mention: Mention, ts: str, style: Style, metadata: Json | None, stage: Stage, status: Status
    ) -> None:
        await self._stop(
            channel=mention.place.channel,
            ts=ts,
            blocks=(buttons(mention, stage, style=style) or None) if stage == "last" else None,
            metadata=metadata,
            session_status=status if self._sessions.agent else None,
        )

    async def _bare(self, mention: Mention, ts: str, metadata: Json | None) -> bool:
        """Without what Slack may have refused; at last without anything."""
        channel = mention.place.channel
        for given in (metadata, None):
            try:
                await self._stop(channel=channel, ts=ts, metadata=given)
            except (RateLimited, Unreachable):
                raise
            except PlatformError as error:
                if isinstance(error, Gone) or code_of(error) in ENDED:
                    return False
                log.warning("slack_stream_not_ended", extra={"error": str(error)})
            else:
                return True
        return False
