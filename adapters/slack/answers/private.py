"""Answers that one person sees: in the modal or at the response URL that a gesture left, or as an ephemeral message.

None of them can be read back or edited later, so each is delivered at least once: after an unclear outcome the person
may see it twice, which is better than not at all.
"""

import logging
from typing import Any, Final

from adapters.slack.answers.blocks import message, plain
from adapters.slack.answers.keys import short
from adapters.slack.api.calls import Api, Unclear
from adapters.slack.text.render import rendered
from adapters.slack.text.sections import sections
from bot.errors import Ambiguous, Gone, Rejected
from bot.events import Mention

log = logging.getLogger(__name__)

Json = dict[str, Any]

VIEW: Final = "view:"
"""What a `reply_ref` begins with that names a modal: `view:<view id>`; any other is a response URL."""

VIEW_MAX: Final = 48_000
"""Characters of an answer in a modal: it is one part, since each update replaces what another process showed before.
Chosen: as much as twelve messages; `sections` cuts it into at most 100 blocks."""


class Private:
    """Delivers private answers in one workspace. Texts are CommonMark."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def deliver(self, mention: Mention, text: str, *, key: str) -> str:
        """Show the text to the mention's author alone; gives an id that names it.

        Raises PlatformError. A modal that was closed and a response URL that is used up (five posts, 30 minutes:
        docs.slack.dev/interactivity/handling-user-interaction, November 2026) give way to an ephemeral message.
        """
        ref = mention.reply_ref
        try:
            if ref.startswith(VIEW):
                await self._in_view(ref.removeprefix(VIEW), text)
            elif ref:
                await self._at_url(ref, text)
            else:
                await self._ephemeral(mention, text)
        except Unclear as error:
            raise Ambiguous(f"a private answer may stand: {error}") from error
        except (Gone, Rejected) as error:
            if not ref:
                raise
            log.info("slack_private_elsewhere", extra={"error": str(error)})
            await self._ephemeral(mention, text)
        return f"private:{short(key)}"

    async def whisper(self, channel: str, user: str, text: str, *, thread_ts: str | None = None) -> None:
        """One private line in a channel, gone when the person reloads. Raises PlatformError.

        In a thread that nobody has replied in yet Slack takes it and shows it to nobody (docs.slack.dev/reference/
        methods/chat.postEphemeral, November 2026): leave `thread_ts` out there.
        The flags are there because every message of ours says them; no address in it is to be fetched.
        """
        await self._api.write(
            "chat.postEphemeral",
            channel=channel,
            user=user,
            thread_ts=thread_ts,
            markdown_text=rendered(text),
            unfurl_links=False,
            unfurl_media=False,
        )

    async def _ephemeral(self, mention: Mention, text: str) -> None:
        # In the thread only where the question is itself a reply there: in one without any, Slack shows it to nobody.
        place = mention.place
        replied = not mention.reply_ref and mention.message_id != place.thread
        await self.whisper(place.channel, mention.author.id, text, thread_ts=place.thread if replied else None)

    async def _at_url(self, url: str, text: str) -> None:
        shown = rendered(text)
        answer: Json = {"response_type": "ephemeral", "replace_original": False}
        answer |= {"text": shown, "blocks": message(shown, []), "unfurl_links": False, "unfurl_media": False}
        await self._api.send("response_url", url, json=answer)

    async def _in_view(self, view: str, text: str) -> None:
        shown: Json = {"type": "modal", "title": plain("Answer"), "close": plain("Close"), "blocks": sections(text)}
        await self._api.write("views.update", view_id=view, view=shown)
