"""Commands: `/routernesia ask ...` anywhere but in threads, and `!reset` where the bot is talked with.

Slack runs no slash command inside a thread (docs.slack.dev/interactivity/implementing-slash-commands, November 2026),
so there an exclamation mark stands for it. What a command does, the core knows; here are only those that are messages
to it: `ask` is a private question, `stop` ends an answer.
"""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from adapters.slack.answers import blocks
from adapters.slack.incoming.access import Entry
from adapters.slack.incoming.entrance import Entrance
from adapters.slack.payloads.fields import Json
from adapters.slack.payloads.interactions import Slash
from adapters.slack.text.render import rendered
from adapters.slack.workspace import Workspace
from bot.events import Mention, Stop
from bot.platform import Submit
from bot.services import Command

KNOWN: Final = frozenset({"help", "model", "prompt", "reset", "usage", "forget", "privacy", "status"})
"""What `bot.services` answers. Behind an exclamation mark only these, `ask` and `stop` are commands: other words that
begin with one are what people write."""

NOT_HERE: Final = "Sorry, this is not available here."
_ASK_WHAT: Final = "Write your question after it: `/routernesia ask What is a lane?` Only you will see the answer."
_ASK_WHAT_THERE: Final = "Write your question after it: `!ask What is a lane?` Only you will see the answer."
_ASKED: Final = "One moment, I am writing the answer. Only you will see it."
_STOPPED: Final = "I stop the answer that I am writing here."
_STOP_THERE: Final = "Write `!stop` in the thread of the answer, or press its Stop button."

_SPOKEN: Final = re.compile(r"!([a-z]+)(?:\s+(.*))?", re.DOTALL | re.IGNORECASE)
_DONE_KEPT_S: Final = 3_600.0  # chosen: longer than Slack goes on sending one event


class Commands:
    """What people tell the bot to do."""

    def __init__(self, entrance: Entrance, *, clock: Callable[[], float] = time.time) -> None:
        self._entrance = entrance
        self._clock = clock

    async def slash(self, workspace: Workspace, slash: Slash, submit: Submit) -> Json:
        """Do a slash command and give what goes into its acknowledgement: a message for its author alone.

        Raises StoreError and PlatformError: then it is not acknowledged, and Slack tells the person so.
        """
        source = slash.source
        entry = Entry(source.actor, source.place, "command", source.enterprise)
        if refusal := await self._entrance.refusal(workspace, entry):
            return private(refusal.line)
        name, _, argument = slash.typed.partition(" ")
        match name.lower():
            case "ask":
                return private(await self._ask(slash, argument.strip(), submit))
            case "stop":
                return private(await self._stop(workspace, entry, submit))
            case word:
                return private(
                    await self._answer(Command(word or "help", argument.strip(), source.place, source.actor))
                )

    async def spoken(self, workspace: Workspace, entry: Entry, mention: Mention, submit: Submit) -> bool:
        """Do the command that a message is; False when it is an ordinary one. Raises StoreError.

        A mention comes in two forms, and the command is done for one of them.
        """
        found = spoken(mention.text)
        if found is None:
            return False

        async def done() -> str:
            await self._do(*found, workspace, entry, mention, submit)
            return ""

        if services := self._entrance.services:
            what, workspace_id = f"command:{mention.event_id}", mention.place.workspace
            await services.shared.once(what, done, tenant=workspace_id, ttl_s=_DONE_KEPT_S)
        else:
            await done()
        return True

    async def _do(
        self, name: str, argument: str, workspace: Workspace, entry: Entry, mention: Mention, submit: Submit
    ) -> None:
        if name == "stop" and entry.begins:  # nothing is being written in a thread that begins with it
            await self._entrance.whisper(workspace, entry, _STOP_THERE)
        elif name == "ask" and argument:
            await submit(replace(mention, text=argument, private=True))
        elif name == "ask":
            await self._entrance.whisper(workspace, entry, _ASK_WHAT_THERE)
        elif name == "stop":
            await submit(Stop(mention.place, mention.author, mention.message_id))
        else:
            answer = await self._answer(Command(name, argument, mention.place, mention.author))
            await self._entrance.whisper(workspace, entry, answer)

    async def _answer(self, command: Command) -> str:
        services = self._entrance.services
        return await services.command(command) if services else NOT_HERE

    async def _ask(self, slash: Slash, question: str, submit: Submit) -> str:
        if not question:
            return _ASK_WHAT
        source, place = slash.source, slash.source.place
        # A trigger id is given out once; it goes into keys as a hash because it still opens a form for seconds.
        number = "ask-" + hashlib.sha256(source.trigger_id.encode()).hexdigest()[:24]
        await submit(
            Mention(
                event_id=f"slack:{place.workspace}:{place.channel}:{number}",
                place=place,
                author=source.actor,
                text=question,
                message_id=number,
                sent_at=self._clock(),
                private=True,
                reply_ref=source.response_url,
            )
        )
        return _ASKED

    async def _stop(self, workspace: Workspace, entry: Entry, submit: Submit) -> str:
        """Only a direct conversation without threads is one conversation: elsewhere the command does not say which."""
        if entry.place.kind != "dm" or self._entrance.threads(workspace):
            return _STOP_THERE
        await submit(Stop(entry.place, entry.actor))
        return _STOPPED


def spoken(text: str) -> tuple[str, str] | None:
    """The command that a message's text is, as its name and the rest; None for an ordinary message."""
    found = _SPOKEN.fullmatch(text.strip())
    if not found or found[1].lower() not in KNOWN | {"ask", "stop"}:
        return None
    return found[1].lower(), (found[2] or "").strip()


def private(text: str) -> Json:
    """A message in CommonMark for the author of a slash command alone."""
    shown = rendered(text)
    return {"response_type": "ephemeral", "text": shown, "blocks": blocks.message(shown, [])}
