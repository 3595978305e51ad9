"""Slash commands. What a command does, the core knows; here are only those that are messages to it.

`ask` is a private question, `stop` ends an answer. Every answer is seen by its author alone.
"""

from typing import Final

from adapters.discord.answers import responses
from adapters.discord.answers.responses import Json
from adapters.discord.incoming.entrance import NOT_HERE, Entrance, private
from adapters.discord.payloads.interactions import Autocomplete, Slash
from bot.events import Stop
from bot.platform import Submit
from bot.services import Command

ASK_WHAT: Final = "Write your question with it. Only you will see the answer."
STOPPED: Final = "I stop the answer that I am writing here."
STOP_THERE: Final = "Press the Stop button under the answer, or use this in the answer's thread."


class Commands:
    """What people tell the bot to do."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    async def slash(self, slash: Slash, submit: Submit) -> Json:
        """Do it, and give the first response. Raises StoreError."""
        if refusal := self._entrance.refusal(slash.source):
            return responses.said(refusal)
        match slash.name:
            case "ask":
                return await self._ask(slash, submit)
            case "stop":
                return await self._stop(slash, submit)
            case name:
                return await self._command(name, slash)

    def choices(self, typing: Autocomplete) -> Json:
        """What an option may be: of the models those whose name holds what is typed."""
        services = self._entrance.services
        if services is None or typing.name != "model" or self._entrance.refusal(typing.source):
            return responses.choices(())
        typed = typing.typed.strip().lower()
        return responses.choices(one for one in services.models if typed in one.lower())

    async def _ask(self, slash: Slash, submit: Submit) -> Json:
        question = slash.options.get("question", "").strip()
        if not question:
            return responses.said(ASK_WHAT)
        await submit(private(slash.source, question))
        return responses.DEFERRED

    async def _stop(self, slash: Slash, submit: Submit) -> Json:
        """Elsewhere than in a thread or a direct message the place does not say which conversation is meant."""
        place = slash.source.place
        if place.kind == "channel":
            return responses.said(STOP_THERE)

        async def stop() -> Json:
            await submit(Stop(place, slash.source.actor))
            return responses.said(STOPPED)

        return await self._entrance.once(slash.source, stop)

    async def _command(self, name: str, slash: Slash) -> Json:
        services, source = self._entrance.services, slash.source
        if services is None:
            return responses.said(NOT_HERE)
        argument = next(iter(slash.options.values()), "").strip()
        command = Command(name, argument, source.place, source.actor, sign="/")

        async def done() -> Json:
            return responses.said(await services.command(command))

        return await self._entrance.once(source, done)
