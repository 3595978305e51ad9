"""What people find when they open the app: the Home tab, and the suggestions and the first words in the Messages tab.

`app_home_opened` comes at every look (docs.slack.dev/reference/events/app_home_opened, November 2026): the Home is
written anew, suggestions go out once an hour and person, the welcome once.
"""

import logging
import re
from typing import Any, Final

from adapters.slack.incoming.access import Entry
from adapters.slack.incoming.entrance import Entrance
from adapters.slack.payloads.fields import Json, record, text
from adapters.slack.payloads.parse import enterprise, team
from adapters.slack.workspace import Workspace
from bot.errors import Forbidden, Gone, Rejected
from bot.events import Author, Place
from bot.services import Command

log = logging.getLogger(__name__)

_SUGGEST_EVERY_S: Final = 3_600.0  # chosen: Slack keeps what is suggested; an operator's new ones come within the hour
_WELCOMED_FOR_S: Final = 5 * 365 * 86_400.0  # chosen: "once", though every key must end
_SECTION_MAX: Final = 3_000  # docs.slack.dev/reference/block-kit/blocks/section-block, November 2026
_HEADING: Final = "How can I help?"

WELCOME: Final = (
    "Hello! I answer questions with a language model. Write to me here, or mention me in a channel and I answer in the "
    "thread. My answers can be wrong: check what matters. `!help` lists what else I can do."
)

_WHAT: Final = (
    "I answer questions with a language model, in the thread in which you ask. Answers can be wrong: please check "
    "what matters."
)
_HOW: Final = (
    "• *In a channel:* mention me. In the thread you can go on without a mention while only the two of us talk.\n"
    "• *Here:* open the Messages tab and write.\n"
    "• *Only for you:* `/routernesia ask` and your question.\n"
    "• *A long thread:* in a message's menu choose _Summarize thread_ or _Ask about this message_.\n"
    "• *Stop an answer:* its Stop button, or `!stop` in the thread. Under an answer you can rate it or have it "
    "written anew.\n"
    "• *All commands:* `/routernesia help`, in threads `!help`."
)
_KEPT: Final = (
    "What you and I say in a thread is kept for a limited time, so that I can follow the conversation. An edited or "
    "deleted message is edited or deleted here as well; `/routernesia forget` deletes our direct conversation, your "
    "feedback and the count of what you used."
)


class Home:
    """Answers `app_home_opened`."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    async def opened(self, workspace: Workspace, payload: Json) -> None:
        """Show what belongs into the tab that somebody opened. Raises StoreError and PlatformError."""
        event = record(payload, "event")
        user, channel, tab = (text(event, name) for name in ("user", "channel", "tab"))
        if not user or tab not in ("home", "messages"):
            return
        where = Place("slack", team(payload) or workspace.me.team_id, channel if tab == "messages" else "", None, "dm")
        entry = Entry(Author(user, user), where, "home", enterprise(payload))
        refusal = await self._entrance.refusal(workspace, entry)
        if tab == "home":
            await self._publish(workspace, entry, view=refused(refusal.line) if refusal else None)
        elif channel and not refusal:
            await self._suggest(workspace, entry, channel)
            await self._welcome(workspace, entry, channel)

    async def _publish(self, workspace: Workspace, entry: Entry, *, view: Json | None) -> None:
        shown = view or home(await self._told(entry, "model"), await self._told(entry, "usage"))
        try:
            await workspace.api.write("views.publish", user_id=entry.actor.id, view=shown)
        except (Forbidden, Gone, Rejected) as error:  # the same event again would change nothing
            log.warning("slack_home_failed", extra={"error": str(error)})

    async def _told(self, entry: Entry, command: str) -> str:
        services = self._entrance.services
        return await services.command(Command(command, "", entry.place, entry.actor)) if services else ""

    async def _suggest(self, workspace: Workspace, entry: Entry, channel: str) -> None:
        where = entry.place.workspace
        name = f"suggested:slack:{where}:{entry.actor.id}"
        async with self._entrance.marks.first(name, workspace=where, ttl_s=_SUGGEST_EVERY_S) as first:
            if first:
                await workspace.sessions.suggest(channel, self._entrance.rules.prompts, heading=_HEADING)

    async def _welcome(self, workspace: Workspace, entry: Entry, channel: str) -> None:
        """Say hello once. Where no shared state says whether it was said, it is not."""
        if self._entrance.services is None:
            return
        where = entry.place.workspace
        name = f"welcome:slack:{where}:{entry.actor.id}"
        async with self._entrance.marks.first(name, workspace=where, ttl_s=_WELCOMED_FOR_S) as first:
            if first:
                await self._greet(workspace, channel)

    async def _greet(self, workspace: Workspace, channel: str) -> None:
        hello = {"markdown_text": WELCOME, "unfurl_links": False, "unfurl_media": False}
        try:
            await workspace.api.write("chat.postMessage", channel=channel, **hello)
        except (Forbidden, Gone, Rejected) as error:
            log.warning("slack_welcome_failed", extra={"error": str(error)})


def home(model: str, usage: str) -> Json:
    """The Home tab: what the bot is, how to use it, the person's settings and usage, what is kept."""
    mine = [
        section for title, said in (("Your model", model), ("Your usage", usage)) for section in _about(title, said)
    ]
    opening = [_header("What I am"), _section(_WHAT), _header("How to use me"), _section(_HOW)]
    return _view([*opening, *mine, _header("What is kept"), _section(_KEPT)])


def refused(line: str) -> Json:
    """The Home tab of somebody who may not use the bot."""
    return _view([_section(line)])


def mrkdwn(said: str) -> str:
    """The core's CommonMark as a section's mrkdwn, as far as its short answers need it; nothing in it acts."""
    escaped = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"\*\*([^*\n]+)\*\*", r"*\1*", re.sub(r"^(\s*)[-*] ", r"\1• ", escaped, flags=re.MULTILINE))


def _about(title: str, said: str) -> list[Json]:
    return [_header(title), _section(mrkdwn(said))] if said.strip() else []


def _view(blocks: list[Json]) -> Json:
    return {"type": "home", "blocks": blocks}


def _header(words: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": words}}


def _section(words: str) -> dict[str, Any]:
    shown = words if len(words) <= _SECTION_MAX else words[: _SECTION_MAX - 1] + "…"
    return {"type": "section", "text": {"type": "mrkdwn", "text": shown}}
