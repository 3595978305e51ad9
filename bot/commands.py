"""What people's commands do and answer, in CommonMark. Who may use them and where their answer goes is the platform's.

It says nothing that belongs to others: no operator's prompt, no text of a conversation, no other person's counts.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot import usage
from bot.errors import StoreError
from bot.events import conversation
from bot.inbox.forgetting import Forgetting
from bot.inbox.inbox import Inbox
from bot.services import Command, Shared
from bot.store import DEAD_TTL_S

if TYPE_CHECKING:  # with it come the client of the completions API and aiohttp, for nothing in `operating`
    from bot.answer.means import ModelState

log = logging.getLogger(__name__)

HELP = """\
I am **{bot}**. Mention me and I answer; in a direct message just write. Where you alone talk with me in a thread, I \
answer there without being mentioned, as far as I may read it.

- `help`: this text
- `ask` and a question: an answer that only you see
- `stop`: end the answer that I am writing in this thread
- `model`: which model answers
- `prompt`: whether I follow instructions of whoever runs me
- `usage`: what you asked and used
- `reset`: forget this conversation
- `forget`: delete what I keep about you
- `privacy`: what I keep, and for how long
- `status`: how I am doing

I am a program and can be wrong: check what matters."""

FEEDBACK_TTL_S = 30 * 24 * 3600
"""How long the operator can read what somebody wrote about an answer (chosen)."""

NO_CONVERSATION = "I do not know which conversation you mean: use this in its thread, as `{sign}reset`."
RESET = "Done: I have forgotten this conversation. The messages here stay; I begin anew with your next question."
NOTHING_KEPT = "There was nothing to forget: I remember nothing of this conversation."


@dataclass(frozen=True, slots=True)
class About:
    """What the bot says about itself. `connected` names the platforms of this process and whether events arrive."""

    bot: str
    model: str
    own_prompt: bool
    history_ttl_hours: float
    connected: Callable[[], Mapping[str, bool]]
    state: "ModelState"


class Commands:
    """Carries out commands. Raises StoreError when Redis does not do its part."""

    def __init__(
        self,
        about: About,
        shared: Shared,
        *,
        inbox: Inbox,
        forgetting: Forgetting,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._about = about
        self._shared = shared
        self._inbox = inbox
        self._forgetting = forgetting
        self._wall = wall
        self._known: Mapping[str, Callable[[Command], Awaitable[str]]] = {
            "help": self._help,
            "model": self._model,
            "prompt": self._prompt,
            "reset": self._reset,
            "usage": self._usage,
            "forget": self._forget,
            "privacy": self._privacy,
            "status": self._status,
        }

    @property
    def models(self) -> Sequence[str]:
        """The models that can answer: one, until there is a choice."""
        return (self._about.model,)

    async def __call__(self, command: Command) -> str:
        """Do it, and give the answer for its author."""
        name = command.name.strip().lower()
        do = self._known.get(name)
        if do is None:
            return (
                await self._help(command) if not name else f"I do not know that command.\n\n{await self._help(command)}"
            )
        return await do(command)

    async def _help(self, _: Command) -> str:
        return HELP.format(bot=self._about.bot)

    async def _model(self, _: Command) -> str:
        return f"The model `{self._about.model}` answers."

    async def _prompt(self, _: Command) -> str:
        if self._about.own_prompt:
            return "I follow instructions that whoever runs me has written. I do not show them."
        return "I follow the standard instructions that I come with."

    async def _reset(self, command: Command) -> str:
        names = await self._conversations(command)
        if not names:
            return NO_CONVERSATION.format(sign=command.sign)
        kept = [await self._forgetting.conversation(name) for name in names]
        return RESET if any(kept) else NOTHING_KEPT

    async def _conversations(self, command: Command) -> list[str]:
        """The conversation around a command; above the threads of a direct message, all of them."""
        place = command.place
        if place.thread is not None:
            return [conversation(place, "")]
        if place.kind != "dm":
            return []
        here = conversation(place, "")
        talks = await self._forgetting.talks(place.platform, place.workspace, command.author.id)
        return [here, *(one for one in talks if one.startswith(here + ":"))]

    async def _usage(self, command: Command) -> str:
        place, author, now = command.place, command.author.id, self._wall()
        lines: list[str] = []
        for when, back in (("This month", 0), ("Last month", 1)):
            name = usage.of_month(place.platform, place.workspace, author, usage.month(now, back=back))
            lines.append(usage.sentence(when, await self._shared.counts(name)))
        return "\n".join(f"- {line}" for line in lines)

    async def _forget(self, command: Command) -> str:
        place, author = command.place, command.author.id
        whom = (place.platform, place.workspace, author)
        talks = await forget_person(self._forgetting, self._shared, *whom, now=self._wall())
        log.info("person_forgotten", extra={"platform": place.platform, "workspace": place.workspace})
        told = "our direct conversation" if talks == 1 else f"our {talks} direct conversations"
        return (
            f"Done: I have deleted {f'what I remembered of {told}, ' if talks else ''}the count of what you used, and "
            "your feedback.\n\nWhat remains: threads and channels that others take part in, for at most "
            f"{_span(self._about.history_ttl_hours)} after the last answer there (`reset` in a thread deletes that at "
            "once), and the messages themselves, which I do not delete."
        )

    async def _privacy(self, _: Command) -> str:
        counts, opinions, failed = (_span(ttl_s / 3600) for ttl_s in (usage.USAGE_TTL_S, FEEDBACK_TTL_S, DEAD_TTL_S))
        return (
            f"I keep a conversation's questions and answers for {_span(self._about.history_ttl_hours)} after its last "
            f"answer, questions that I failed to answer for {failed}, how much you used, in numbers, for {counts}, and "
            f"your feedback for {opinions}; to answer, I pass the conversation to the model service. `forget` deletes "
            "what I keep about you, `reset` a conversation, both at once."
        )

    async def _status(self, _: Command) -> str:
        connected = self._about.connected()
        lines = [f"- {name.capitalize()}: {'connected' if on else 'not connected'}" for name, on in connected.items()]
        return "\n".join([*lines, f"- Model service: {self._of_model()}", f"- Queue: {await self._queue()}"])

    def _of_model(self) -> str:
        match self._about.state.failure:
            case None:
                return "not asked yet since I started"
            case "":
                return "answers"
            case _:
                return "failed when I last asked it"

    async def _queue(self) -> str:
        try:
            waiting, oldest_s = await self._inbox.depth()
        except StoreError:
            return "unknown, my store does not answer"
        late = f", the oldest is {oldest_s:.0f} s late" if oldest_s >= 1 else ""
        return f"{waiting} conversation{'' if waiting == 1 else 's'} waiting or being answered{late}"


def _span(hours: float) -> str:
    days, rest = divmod(hours, 24)
    return f"{hours:g} hours" if rest or days < 2 else f"{days:g} days"


async def forget_person(
    forgetting: Forgetting, shared: Shared, platform: str, workspace: str, author: str, *, now: float
) -> int:
    """Delete what is kept of a person alone; how many direct conversations that were. Raises StoreError.

    That of the workspace, and of none: direct messages may belong to no workspace, as Discord's do.
    """
    talks = 0
    for one in dict.fromkeys((workspace, "")):
        talks += await forgetting.person(platform, one, author)
        opinions = opinions_name(platform, one, author)
        await shared.drop(*await shared.counts(opinions), opinions, *usage.kept(platform, one, author, now))
    return talks


def opinions_name(platform: str, workspace: str, author: str) -> str:
    """The name of the list of a person's feedback: its fields are the names of all of it."""
    return f"opinions:{platform}:{workspace}:{author}"


def feedback_name(platform: str, workspace: str, author: str, message_id: str) -> str:
    """The name of what a person thinks of an answer."""
    return f"feedback:{platform}:{workspace}:{author}:{message_id}"
